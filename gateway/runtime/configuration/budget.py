"""Whether what is asked for fits on the wire: time per cycle of every poll, and how busy each connection gets. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.model.abilities import Tells
from gateway.model.errors import Problem
from gateway.model.health import FlowReport
from gateway.model.plan import Connection, PlannedDevice, Poll

ASSUMED_ANSWER_MS = 10.0
"""From request to answer, where nothing was learned yet and nobody said."""
BUSY = 0.8
"""Above this share a connection has no room for commands and repeats; worth a warning."""


@dataclass(frozen=True, slots=True)
class PollCost:
    """One cycle of one poll."""

    poll: Poll
    requests: int
    sent: int
    """Bytes on the wire towards the device, per cycle."""
    received: int
    seconds: float
    """The connection is occupied that long, per cycle."""
    answer_ms: float
    answer_from: str
    """`given`, `learned` or `assumed`."""
    told: bool = False
    """Devices tell by themselves: what is said here of a cycle is what a read would take, and there is none."""

    @property
    def certain(self) -> float:
        """Of `seconds`, what is known and not assumed."""
        if self.told:
            return 0.0
        assumed = self.requests * self.answer_ms / 1000 if self.answer_from == "assumed" else 0.0
        return self.seconds - assumed

    @property
    def share(self) -> float:
        """Of the connection's time, 0 to 1 and above."""
        return 0.0 if self.told else self.seconds / self.poll.interval


@dataclass(frozen=True, slots=True)
class LineBudget:
    """One connection with everything on it."""

    connection: Connection
    polls: tuple[PollCost, ...]

    @property
    def busy(self) -> float:
        """Share of the time the connection is occupied by polls."""
        return round(math.fsum(cost.share for cost in self.polls), 9)

    def problems(self) -> list[Problem]:
        """An error for what cannot fit, by how much; a warning where it is tight, or cannot fit if an answer takes as
        long as is assumed while nobody knows."""
        where = self.connection.key
        if self.busy > 1:
            text = f"{self._sum()}: {self.busy - 1:.0%} more than there is"
            if math.fsum(cost.certain / cost.poll.interval for cost in self.polls) > 1:
                return [Problem(where, f"{text}. {_slower(self)}")]
            text += f", if an answer takes {ASSUMED_ANSWER_MS:g} ms (--answer-ms of southgate plan says it better)"
            return [Problem(where, f"{text}. {_slower(self)}", severity="warning")]
        if self.busy > BUSY:
            text = f"{self._sum()}; commands and repeats will delay polls. {_slower(self)}"
            return [Problem(where, text, severity="warning")]
        return []

    def _sum(self) -> str:
        names = {cost.poll.device for cost in self.polls}
        return f"the polls of {len(names)} device{'s' * (len(names) > 1)} take {self.busy:.0%} of the connection's time"


def _slower(budget: LineBudget) -> str:
    widest = max(budget.polls, key=lambda cost: cost.share).poll
    factor = math.ceil(budget.busy / BUSY * 10) / 10
    need = widest.interval * factor
    return f"Longer intervals would help: all {factor:g} times as long (e.g. {need:.3g} s for {widest.device})"


def budgets(planned: Iterable[PlannedDevice], answer_ms: float | None = None) -> list[LineBudget]:
    """One budget per connection, in order of its key. `answer_ms` overrides what was learned."""
    lines: dict[tuple[str, str], tuple[Connection, list[PollCost]]] = {}
    for device in planned:
        connection = device.connection
        _, costs = lines.setdefault((connection.key, connection.service), (connection, []))
        costs += [cost_of(poll, device.facts, answer_ms) for poll in device.polls]
    return [LineBudget(connection, tuple(costs)) for _, (connection, costs) in sorted(lines.items())]


def crowded(planned: Iterable[PlannedDevice]) -> list[Problem]:
    """Connections that are asked for more than they can carry, or nearly so. Warnings: what runs does what it can, and
    how much that is can be looked at."""
    found = [problem for budget in budgets(planned) for problem in budget.problems()]
    return [replace(problem, severity="warning") for problem in found]


def cost_of(poll: Poll, facts: Mapping[str, object], answer_ms: float | None = None) -> PollCost:
    """One cycle: characters and turnaround by baud rate on a serial line, plus the device's own time per request."""
    requests = poll.plan.requests
    each, source = _answer(facts, answer_ms)
    return PollCost(
        poll=poll,
        requests=len(requests),
        sent=sum(r.sent for r in requests),
        received=sum(r.received for r in requests),
        seconds=sum(r.line_s + each / 1000 for r in requests),
        answer_ms=each,
        answer_from=source,
        told=isinstance(poll.plan, Tells) and len(poll.plan.told) == len(poll.sources),
    )


def own_answer_ms(device: PlannedDevice, flow: FlowReport) -> float | None:
    """The device's own time per request, as `facts["answer_ms"]` has it: what was measured, less what the characters
    take on a serial line. None where nothing was measured, or not of the device as it is planned now."""
    names = [tuple(source.name for source in poll.sources) for poll in device.polls]
    if flow.answer_ms is None or flow.sources not in names:
        return None
    requests = device.polls[names.index(flow.sources)].plan.requests
    on_line = sum(request.line_s for request in requests) / (len(requests) or 1)
    return max(0.0, flow.answer_ms - on_line * 1000)


def _answer(facts: Mapping[str, object], given: float | None) -> tuple[float, str]:
    if given is not None:
        return given, "given"
    learned = facts.get("answer_ms")
    if isinstance(learned, int | float):
        return float(learned), "learned"
    return ASSUMED_ANSWER_MS, "assumed"
