"""``parkwatch user``: who may log in to the console, and as what."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from park.words import Names
from parkwatch.desk import out, settings, stop
from storage import users
from storage.users import Role, User, UsersError

commands = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="User name: small letters, digits, '.', '_' and '-', as li.wei.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
RoleOption = Annotated[Role, typer.Option(help="viewer reads, operator acts, engineer may everything.")]


@commands.command()
def add(
    name: Name,
    role: RoleOption,
    zh: Annotated[str | None, typer.Option(help="Name in Chinese (default: the user name).")] = None,
    en: Annotated[str | None, typer.Option(help="Name in English (default: the user name).")] = None,
    password_stdin: FromStdin = False,  # noqa: FBT002 - a flag
) -> None:
    """Add a user; asks for the password twice."""
    file = settings().users_file
    try:
        password = _password(from_stdin=password_stdin)
        user = users.add(file, name, role, password, Names(zh or en or name, en or zh or name))
    except UsersError as error:
        raise stop(str(error)) from error
    _line(f"{user.name} may log in as {user.role.value} ({file})")


@commands.command(name="list")
def list_users(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:  # noqa: FBT002 - a flag
    """List the users."""
    try:
        found = users.read(settings().users_file)
    except UsersError as error:
        raise stop(str(error)) from error
    if as_json:
        shown = [{key: getattr(user, key) for key in ("name", "names", "role", "disabled")} for user in found.values()]
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n")
        return
    for user in sorted(found.values(), key=lambda user: user.name):
        words = [user.name, user.role.value, f"{user.names.zh} / {user.names.en}", "disabled" * user.disabled]
        _line("  ".join(word for word in words if word))
    _line(f"{len(found)} users")


@commands.command()
def password(name: Name, password_stdin: FromStdin = False) -> None:  # noqa: FBT002 - a flag
    """Give a user a new password; their sessions end."""
    try:
        new = _password(from_stdin=password_stdin)
        user = users.change(settings().users_file, name, password=new)
    except UsersError as error:
        raise stop(str(error)) from error
    _line(f"{user.name} has a new password; all sessions have ended")


@commands.command()
def role(name: Name, role: Annotated[Role, typer.Argument(help="viewer, operator or engineer.")]) -> None:
    """Give a user another role; their sessions end."""
    user = _change(name, role=role)
    _line(f"{user.name} is {user.role.value} now; all sessions have ended")


@commands.command()
def disable(name: Name) -> None:
    """Let a user no longer log in; their sessions end."""
    user = _change(name, disabled=True)
    _line(f"{user.name} can't log in any more; all sessions have ended")


@commands.command()
def enable(name: Name) -> None:
    """Let a disabled user log in again."""
    user = _change(name, disabled=False)
    _line(f"{user.name} may log in as {user.role.value} again")


@commands.command()
def remove(name: Name) -> None:
    """Remove a user; their sessions end. The journal keeps what they did."""
    try:
        users.remove(settings().users_file, name)
    except UsersError as error:
        raise stop(str(error)) from error
    _line(f"{name} is removed; all sessions have ended")


def _change(name: str, *, role: Role | None = None, disabled: bool | None = None) -> User:
    try:
        return users.change(settings().users_file, name, role=role, disabled=disabled)
    except UsersError as error:
        raise stop(str(error)) from error


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsersError("there is no terminal to ask for the password: give it with --password-stdin")
    asked: str = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    return asked


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
