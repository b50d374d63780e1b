"""What the network asks of the flows in ``flows.yaml``: that a surplus can be told, and has a sensor to be told by."""

from __future__ import annotations

from collections.abc import Mapping

from park.documents import FLOWS
from park.draft import Draft
from park.flows import Flow, FlowKind
from park.network import LONGEST_ID, SUMS, surplus_of
from park.rows import Path


def check(building: Draft, kinds: Mapping[str, FlowKind], flows: Mapping[str, Flow]) -> None:
    """Report exchanges that could break without anybody being told."""
    for index, value in enumerate(building.rows(FLOWS, "flows") if flows else ()):
        flow = flows.get(str(value.get("id"))) if isinstance(value, dict) else None
        if flow is None or not flow.is_exchange or flow.usual is None or flow.kind not in kinds:
            continue
        path: Path = (FLOWS, "flows", index)
        if len(flow.id) > LONGEST_ID:
            building.report(
                (*path, "id"),
                f"the id of an exchange becomes part of a sensor's name; write at most {LONGEST_ID} characters",
            )
        if surplus_of(kinds[flow.kind]) is None:
            building.report(
                (*path, "usual"),
                f"a surplus of {flow.kind} can't be told in {kinds[flow.kind].unit}; leave usual out, or give the kind "
                f"a unit of {', '.join(SUMS.values())}",
            )
