"""From the rows of ``limits/*.yaml`` to limits, or to everything that is wrong with them.

What every limit has is made here; what depends on its kind (:mod:`park.measure_building`) and the unit it is written in
(:mod:`park.converting`) elsewhere.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import msgspec

from park import measure_building, rows, wording
from park.documents import GUIDANCE, LIMITS, QUANTITIES, ZONES, names_of
from park.draft import Draft, fingerprint
from park.limits import Guidance, Kind, Limit, Match
from park.measure_building import Measures
from park.rows import Path, Problem, shortened, suggestion
from park.strictness import Mark, basis, compare_numbers

# Words that claim the force of law, unless the text says at once that it has none.
_CLAIMS = re.compile(
    r"(?<!not a )(?<!not the )(?<!no )\b(?:legal|statutory|regulatory|mandatory) (?:limit|requirement)"
    r"|(?<!非)(?<!无)(?<!不是)(?:法定|强制性?|国家)(?:限值|标准限值)",
    re.IGNORECASE,
)

#: Kinds that no vote can count: they speak of a site or an outlet, or of a detector that can't be believed.
_NO_VOTERS = frozenset({Kind.VOTE, Kind.BUDGET, Kind.QUALITY, Kind.FLATLINE})


def limits(draft: Draft) -> None:
    """Read every limit into ``draft``."""
    for document in sorted(name for name in draft.documents if name.startswith(LIMITS)):
        for index, value in enumerate(draft.rows(document, "limits")):
            path: Path = (document, "limits", index)
            _claim_id(draft, value, path)
            row = draft.shape(rows.LimitRow, value, path)
            if row:
                _limit(draft, row, path)
    _replacements(draft)
    _votes(draft)


def _claim_id(draft: Draft, value: object, path: Path) -> None:
    name = value.get("id") if isinstance(value, dict) else None
    if not isinstance(name, str):
        return
    first = draft.limit_paths.setdefault(name, path)
    if first != path:
        draft.report((*path, "id"), f"the id {name!r} is taken in {first[0]}; write another, such as '{name}-2'")


def _limit(draft: Draft, row: rows.LimitRow, path: Path) -> None:
    """Check ``row`` on its own and against the rest, and keep it as a limit if nothing was found."""
    before = len(draft.problems)
    guidance = _guidance_of(draft, row.guidance, (*path, "guidance"))
    _check_match(draft, row.match, (*path, "match"))
    draft.problems += _date_problems(row, path)
    draft.problems += _claim_problems(row, path)
    measures = measure_building.measures(draft, row, path)
    draft.replaces |= {row.id: frozenset(row.replaces)} if row.replaces else {}
    draft.laxer |= {row.id} if row.laxer else set()
    if len(draft.problems) == before and guidance and measures:
        draft.limits[row.id] = _versioned(row, guidance, measures)


def _versioned(row: rows.LimitRow, guidance: Guidance, measures: Measures) -> Limit:
    limit = Limit(
        id=row.id,
        kind=row.kind,
        names=names_of(row.names),
        match=_match(row.match),
        side=measures.side,
        set_points=measures.set_points,
        deadband=measures.deadband,
        on_delay=row.on_delay or 0,
        off_delay=row.off_delay or 0,
        unit=measures.unit,
        source=row.source,
        clause=names_of(row.clause),
        provenance=row.provenance,
        version="",
        guidance=guidance,
        shown_per_canonical=measures.shown_per_canonical,
        valid_from=_midnight(row.valid_from) if row.valid_from else None,
        valid_to=_midnight(row.valid_to + dt.timedelta(days=1)) if row.valid_to else None,
        latching=row.latching,
        re_alarm=row.re_alarm,
        re_alarm_most=row.re_alarm_most,
        group=row.group or "",
        of=row.of,
        window=row.window or 0,
        needs=row.needs or 0,
        votes=tuple(row.votes),
        flow=row.flow or "",
        period=row.period,
        tolerance=measures.tolerance,
    )
    return msgspec.structs.replace(limit, version=fingerprint(limit))


def _match(row: rows.MatchRow) -> Match:
    return Match(tuple(row.quantities), tuple(row.locations), tuple(row.zones), tuple(row.sites), tuple(row.sensors))


def _midnight(day: dt.date) -> int:
    return round(dt.datetime.combine(day, dt.time(), rows.CHINA).timestamp() * 1000)


def _check_match(draft: Draft, match: rows.MatchRow, path: Path) -> None:
    zones = draft.known(ZONES, "zones")
    draft.unknown((*path, "quantities"), "quantity", match.quantities, draft.known(QUANTITIES, "quantities"))
    draft.unknown((*path, "zones"), "zone", match.zones, zones)
    draft.unknown((*path, "sites"), "site", match.sites, draft.known_sites(match.zones))


def _date_problems(row: rows.LimitRow, path: Path) -> Iterator[Problem]:
    if row.valid_from and row.valid_to and row.valid_from > row.valid_to:
        yield Problem(
            (*path, "valid_from"),
            f"valid_from {row.valid_from} is after valid_to {row.valid_to}; write the first and the last day in force",
        )


def _claim_problems(row: rows.LimitRow, path: Path) -> Iterator[Problem]:
    if row.provenance != "unverified":
        return
    texts: dict[Path, str] = {
        ("names", "zh"): row.names.zh,
        ("names", "en"): row.names.en,
        ("source",): row.source,
        ("clause", "zh"): row.clause.zh,
        ("clause", "en"): row.clause.en,
    }
    for key, text in texts.items():
        claim = _CLAIMS.search(text)
        if claim:
            yield Problem(
                (*path, *key),
                f"an unverified number is called {claim[0]!r}; write 'suggested' (建议), "
                f"or check it against the source and write provenance: verified",
            )


# --- guidance ----------------------------------------------------------------------------------------------


def guidance(row: rows.GuidanceRow) -> Guidance:
    """Return a block of guidance."""
    within = max(1, row.respond_within // 1000)
    return Guidance(names_of(row.cause), names_of(row.consequence), names_of(row.response), within)


def _guidance_of(draft: Draft, value: object, path: Path) -> Guidance | None:
    if isinstance(value, dict):
        row = draft.shape(rows.GuidanceRow, value, path)
        return guidance(row) if row else None
    known = draft.known(GUIDANCE, "guidance")
    if not isinstance(value, str):
        draft.report(path, f"{shortened(value)} is no guidance; write the name of a block in {GUIDANCE}, or a block")
    elif value not in known:
        draft.report(path, f"no guidance {value!r} in {GUIDANCE}; {suggestion(value, known)}")
    return draft.guidances.get(value) if isinstance(value, str) else None


# --- limits among themselves -------------------------------------------------------------------------------


def _replacements(draft: Draft) -> None:
    for name, others in draft.replaces.items():
        path: Path = (*draft.limit_paths[name], "replaces")
        draft.unknown(path, "limit", sorted(others), draft.limit_paths)
        if name in others or any(name in draft.replaces.get(other, ()) for other in others):
            draft.report(path, f"{name!r} is replaced by what it replaces, so neither would alarm; write it one way")
        elif name not in draft.laxer:
            draft.problems += _laxer_problems(draft, name, sorted(others), path)


def _laxer_problems(draft: Draft, name: str, others: list[str], path: Path) -> Iterator[Problem]:
    """Yield what a limit replaces although it allows more: a permit goes beyond a standard, seldom behind it."""
    limit = draft.limits.get(name)
    for other in (draft.limits.get(each) for each in others):
        if limit and other and _allows_more(limit, other):
            yield Problem(
                path,
                f"{name!r} ({wording.points(limit)}) allows more than {other.id!r} ({wording.points(other)}), which it "
                f"replaces; write a stricter number, or laxer: true if whoever sets the limit here allows it",
            )


def _allows_more(limit: Limit, other: Limit) -> bool:
    if basis(limit) != basis(other) or not wording.has_number(limit):
        return False
    pairs = zip(limit.set_points, other.set_points, strict=False)
    return any(compare_numbers(limit.side, old.at, new.at) is Mark.LAXER for new, old in pairs)


def _votes(draft: Draft) -> None:
    """Check who votes, once every limit is known."""
    for name, limit in draft.limits.items():
        path: Path = (*draft.limit_paths[name], "votes")
        draft.unknown(path, "limit", limit.votes, draft.limit_paths)
        for index, voter in enumerate(limit.votes):
            kind = draft.limits[voter].kind if voter in draft.limits else None
            if kind in _NO_VOTERS:
                draft.report(
                    (*path, index),
                    f"{voter!r} is a {kind} limit, whose alarm is no detector's vote; write limits of detectors, such "
                    f"as votes: [hf-detector]",
                )
