"""`/gateway/api/v1/lines`: one connection and everything on it, in one look."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from gateway.api.envelope import GoResponse
from gateway.api.parts import House, Parts
from gateway.model.health import FlowReport, LaneReport
from gateway.runtime.configuration.budget import LineBudget, PollCost, budgets

router = APIRouter()
Flows = Mapping[tuple[str, float, tuple[str, ...]], FlowReport]
"""By device, interval and sources."""


@router.get("/lines")
async def lines(parts: House) -> GoResponse:
    """Every connection with everything on it: its state, how busy it is and was planned to be, requests, errors by
    kind, what does not fit; each device with its unit, its state and, when it is silent, its next probe and what
    waiting for it costs; each poll with how it is fed (read, or subscribed), the period asked for and achieved, what a
    cycle takes and its share of the connection. Where devices tell by themselves: how far their clock is off
    (`skew_s`), how many values were fetched after outages (`filled`), and notes in words."""
    planned = {(b.connection.service, b.connection.key): b for b in budgets(parts.registry.planned.values())}
    flows = {(flow.device, flow.requested_s, flow.sources): flow for flow in parts.lanes.flows()}
    as_runs = {key: _as_runs(budget, flows) for key, budget in planned.items()}
    found = [_line(parts, lane, as_runs.get((lane.service, lane.connection)), flows) for lane in parts.lanes.lanes()]
    return GoResponse({"lines": sorted(found, key=lambda line: (line["service"], line["connection"]))})


def _as_runs(budget: LineBudget, flows: Flows) -> LineBudget:
    """What is subscribed asks for nothing, and what the server does not subscribe is read."""
    costs = [(cost, _flow(cost, flows)) for cost in budget.polls]
    polls = [dataclasses.replace(cost, told=flow.mode == "subscribed") if flow else cost for cost, flow in costs]
    return dataclasses.replace(budget, polls=tuple(polls))


def _flow(cost: PollCost, flows: Flows) -> FlowReport | None:
    return flows.get((cost.poll.device, cost.poll.interval, tuple(source.name for source in cost.poll.sources)))


def _line(parts: Parts, lane: LaneReport, budget: LineBudget | None, flows: Flows) -> dict[str, Any]:
    shown = {
        f.name: getattr(lane, f.name) for f in dataclasses.fields(lane) if f.name not in ("devices", "quarantined")
    }
    costs: dict[str, list[PollCost]] = {name: [] for name in lane.devices}
    for cost in budget.polls if budget else ():
        costs.setdefault(cost.poll.device, []).append(cost)
    return shown | {
        "busy_planned": budget.busy if budget else 0.0,
        "problems": [problem.what for problem in budget.problems()] if budget else [],
        "devices": [_device(parts, lane, name, costs[name], flows) for name in lane.devices],
    }


def _device(parts: Parts, lane: LaneReport, name: str, costs: list[PollCost], flows: Flows) -> dict[str, Any]:
    state, silent = parts.twins.state(name), lane.quarantined.get(name)
    return {
        "device": name,
        "unit": costs[0].poll.plan.unit if costs else None,
        "state": state.state.value,
        "reason": state.reason,
        "quarantine": None if silent is None else dataclasses.asdict(silent),
        "polls": [_poll(cost, flows) for cost in costs],
    }


def _poll(cost: PollCost, flows: Flows) -> dict[str, Any]:
    """What was planned, and what is achieved once it runs."""
    flow = _flow(cost, flows)
    return {
        "sources": [source.name for source in cost.poll.sources],
        "mode": flow.mode if flow else "read",
        "requested_s": cost.poll.interval,
        "achieved_s": flow.achieved_s if flow else None,
        "requests": cost.requests,
        "cycle_s": cost.seconds,
        "share": cost.share,
        "answer_ms": flow.answer_ms if flow else None,
        "reads": flow.reads if flow else 0,
        "failures": flow.failures if flow else 0,
        "overruns": flow.overruns if flow else 0,
        "last_good": flow.last_good if flow else 0,
    }
