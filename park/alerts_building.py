"""From ``alerts.yaml`` to channels and to how pages leave; contacts of people are channels too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from park import rows
from park.catalogue import Alerts, Grouping
from park.channels import ChannelKind, ChannelRoute, Reference, ReferenceKind
from park.documents import ALERTS, UNREADABLE, ZONES, Documents
from park.rows import Path, Problem, shortened


def alerts(building: Documents) -> Alerts:
    """Return what ``alerts.yaml`` says; everything wrong with it is reported."""
    channels, seen = [], Counter[str]()
    for index, value in enumerate(building.rows(ALERTS, "channels")):
        path: Path = (ALERTS, "channels", index)
        row = building.shape(rows.ChannelRow, value, path)
        if row:
            seen[row.name] += 1
            if seen[row.name] > 1:
                building.report((*path, "name"), f"there is a channel {row.name!r} already; write another name")
            building.unknown((*path, "zones"), "zone", row.zones, building.known(ZONES, "zones"))
            building.problems += contact_problems(row, path)
            channels.append(_channel(row))
    return Alerts(tuple(channels), _grouping(building))


def contact_problems(row: rows.ContactRow, path: Path) -> Iterator[Problem]:
    """Yield what is wrong with a channel or a contact at ``path``."""
    given = [key for key in ("url", "url_env", "url_file") if getattr(row, key) is not None]
    if row.kind == "terminal":
        yield from (Problem((*path, key), f"a terminal has no address; leave {key} out") for key in given)
    elif len(given) != 1:
        count = "none" if not given else " and ".join(given)
        yield Problem(path, f"a channel has one of url_env, url_file and url; here is {count}; write one of them")
    if row.url is not None and "://" not in row.url:
        yield Problem((*path, "url"), f"{shortened(row.url)} is not a URL; write one such as https://example.org/hook")
    if row.url is not None and row.kind == "webhook" and not re.match(r"https?://", row.url):
        yield Problem((*path, "url"), "a webhook is called over http:// or https://; or write kind: apprise")
    secrets = [key for key in ("secret_env", "secret_file") if getattr(row, key) is not None]
    if secrets and row.kind != "webhook":
        yield Problem((*path, secrets[0]), "only a webhook is signed; leave the secret out, or write kind: webhook")
    if len(secrets) > 1:
        yield Problem((*path, secrets[1]), "there are two secrets; write secret_env or secret_file")


def _channel(row: rows.ChannelRow) -> ChannelRoute:
    return ChannelRoute(
        name=row.name,
        kind=ChannelKind(row.kind),
        url=address(row),
        language=row.language,
        zones=tuple(row.zones),
        min_priority=row.min_priority,
        notices=row.notices,
        secret=secret(row),
        grouped=row.grouped,
    )


def address(row: rows.ContactRow) -> Reference:
    """Return where the URL of a channel or contact is found; an empty text for a terminal."""
    return _reference(row.url, row.url_env, row.url_file) or Reference(ReferenceKind.TEXT, "")


def secret(row: rows.ContactRow) -> Reference | None:
    """Return where the secret that signs a webhook is found."""
    return _reference(None, row.secret_env, row.secret_file)


def _reference(text: str | None, environment: str | None, file: str | None) -> Reference | None:
    given = zip(ReferenceKind, (text, environment, file), strict=True)
    return next((Reference(kind, value) for kind, value in given if value is not None), None)


def _grouping(building: Documents) -> Grouping:
    path: Path = (ALERTS, "delivery")
    content = building.documents.get(ALERTS, UNREADABLE)
    if not isinstance(content, dict) or "delivery" not in content:
        return Grouping()
    row = building.shape(rows.DeliveryRow, content["delivery"], path)
    if row is None:
        return Grouping()
    building.problems += _grouping_problems(row, path)
    return Grouping(**{**row.model_dump(), "webhook_targets": tuple(row.webhook_targets)})


def _grouping_problems(row: rows.DeliveryRow, path: Path) -> Iterator[Problem]:
    if row.flood_ends >= row.flood_begins:
        yield Problem(
            (*path, "flood_ends"),
            f"flood_ends {row.flood_ends} is not below flood_begins {row.flood_begins}, so a flood would begin and end "
            f"at the same rate; write for example flood_begins: 10 and flood_ends: 5",
        )
    if row.wait > row.window:
        yield Problem(
            (*path, "wait"), "the first page waits longer than the window that gathers the others; write at most window"
        )
    if row.window > row.flood_period:
        yield Problem((*path, "window"), "the window is longer than flood_period; write a shorter one, such as 30s")
    if row.flood_summary > row.flood_period:
        yield Problem(
            (*path, "flood_summary"),
            "summaries come further apart than flood_period; write a shorter one, such as 2min",
        )
