"""Terminal: a person's message as one line where the delivery process prints, for a first look."""

from __future__ import annotations

from collections.abc import Callable

from alerts.channels import Content, Outcome, Permanent, Sent


class TerminalChannel:
    """Prints the title of every message; ``whose`` is the person, ``name`` the channel.

    ``say`` returns ``False`` if it knows that nobody can read what it prints.
    """

    attempts = 1
    at_once = 16

    def __init__(self, name: str, whose: str, say: Callable[[str], object]) -> None:
        self._name = f"{whose} ({name})" if whose else name
        self._say = say

    async def send(self, delivery: str, message: Content, language: str, now: int) -> Outcome:
        """Print the title in ``language``."""
        del delivery, now
        if self._say(f"☎ {self._name}: {message.text(language).title}") is False:
            return Permanent("the terminal takes no lines: has it been stopped (Ctrl-S; Ctrl-Q goes on) or closed?")
        return Sent("printed")

    async def close(self) -> None:
        """Nothing is open."""
