"""What fits on a connection, and what does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.model.device import Device
from gateway.model.health import FlowReport
from gateway.model.plan import Connection, PlannedDevice, Poll, Request
from gateway.model.reading import Source
from gateway.runtime.configuration.budget import budgets, cost_of, own_answer_ms
from tests.unit.runtime.house import profile, resource


@dataclass(frozen=True)
class Made:
    """A plan of so many equal requests."""

    device: str
    requests: Sequence[Request]
    sources: Sequence[Source] = ()
    unit: int = 1


@dataclass(frozen=True)
class Told(Made):
    told: Sequence[Source] = ()


P = profile(resource("a"))


def poll(device: str, interval: float, requests: int, line_s: float = 0.0) -> Poll:
    source = Source("device-fake", "P", device, "a", (P.device_resources[0],))
    request = Request("read", b"\x03", sent=8, received=25, line_s=line_s)
    return Poll(device, interval, (source,), (), Made(device, [request] * requests, (source,)))


def device(name: str, *polls: Poll, line: str = "wire", facts: Mapping[str, Any] | None = None) -> PlannedDevice:
    return PlannedDevice(
        Device(name=name, profile_name="P"), P, Connection("device-fake", line, None), {}, polls, facts or {}
    )


def test_a_cycle_is_characters_and_the_devices_own_time() -> None:
    cost = cost_of(poll("d", 2.0, requests=3, line_s=0.04), {}, answer_ms=60)
    assert (cost.requests, cost.sent, cost.received) == (3, 24, 75)
    assert cost.seconds == pytest.approx(3 * (0.04 + 0.06))
    assert cost.share == pytest.approx(0.15)
    assert cost.answer_from == "given"


@pytest.mark.parametrize(
    ("facts", "given", "expected"),
    [
        ({}, None, (10.0, "assumed")),
        ({"answer_ms": 3.5}, None, (3.5, "learned")),
        ({"answer_ms": 3.5}, 0.0, (0.0, "given")),
        ({"answer_ms": "soon"}, None, (10.0, "assumed")),
    ],
)
def test_where_the_answer_time_comes_from(
    facts: Mapping[str, Any], given: float | None, expected: tuple[float, str]
) -> None:
    cost = cost_of(poll("d", 1.0, 1), facts, given)
    assert (cost.answer_ms, cost.answer_from) == expected


def test_one_budget_per_connection_with_everything_on_it() -> None:
    first, second = budgets(
        [
            device("b", poll("b", 1.0, 10), line="two"),
            device("a", poll("a", 1.0, 10), poll("a", 10.0, 5), line="one"),
            device("c", poll("c", 0.5, 10), line="two", facts={"answer_ms": 20}),
        ]
    )
    assert [cost.poll.device for cost in first.polls] == ["a", "a"]
    assert first.busy == pytest.approx(0.1 + 0.005)
    assert [cost.poll.device for cost in second.polls] == ["b", "c"]
    assert second.busy == pytest.approx(0.1 + 0.4)


def test_the_same_line_of_another_service_is_another_line() -> None:
    one, other = device("a", poll("a", 1.0, 10)), device("b", poll("b", 1.0, 10))
    other = PlannedDevice(other.device, P, Connection("device-other", "wire", None), {}, other.polls)
    assert [line.busy for line in budgets([one, other])] == [pytest.approx(0.1)] * 2


@pytest.mark.parametrize(
    ("requests", "severity", "said"),
    [
        (50, None, ""),
        (80, None, ""),
        (90, "warning", "the polls of 1 device take 90% of the connection's time; commands"),
        (100, "warning", "take 100%"),
        (
            120,
            "error",
            "take 120% of the connection's time: 20% more than there is. Longer intervals would help: all 1.5 ",
        ),
    ],
)
def test_only_what_cannot_fit_is_an_error(requests: int, severity: str | None, said: str) -> None:
    (line,) = budgets([device("d", poll("d", 1.0, requests))], answer_ms=10)
    problems = line.problems()
    assert [problem.severity for problem in problems] == ([severity] if severity else [])
    assert all(said in problem.what and problem.where == "wire" for problem in problems)


def test_what_is_only_assumed_refuses_nothing() -> None:
    (line,) = budgets([device("d", poll("d", 1.0, 120))])
    (problem,) = line.problems()
    assert problem.severity == "warning"
    assert "20% more than there is, if an answer takes 10 ms" in problem.what
    (line,) = budgets([device("d", poll("d", 1.0, 120), facts={"answer_ms": 10})])
    assert [problem.severity for problem in line.problems()] == ["error"]


def test_what_would_help_does_help() -> None:
    (line,) = budgets([device("a", poll("a", 1.0, 90)), device("b", poll("b", 2.0, 60))])
    (problem,) = line.problems()
    assert "the polls of 2 devices take 120%" in problem.what
    assert "all 1.5 times as long (e.g. 1.5 s for a)" in problem.what
    slower = [device("a", poll("a", 1.5, 90)), device("b", poll("b", 3.0, 60))]
    assert budgets(slower)[0].problems() == []


def test_what_devices_tell_by_themselves_takes_no_time() -> None:
    read = poll("d", 1.0, 120)
    told = replace(read, plan=Told("d", read.plan.requests, read.sources, told=read.sources))
    (line,) = budgets([device("d", told)], answer_ms=10)
    assert (line.busy, line.problems()) == (0, [])
    assert line.polls[0].seconds == pytest.approx(1.2), "what a read would take"
    not_told = replace(read, plan=Told("d", read.plan.requests, read.sources))
    assert budgets([device("d", not_told)], answer_ms=10)[0].problems()


def test_a_device_without_polls_takes_nothing() -> None:
    (line,) = budgets([device("d")])
    assert line.busy == 0
    assert line.problems() == []


def flow(answer_ms: float | None, *sources: str) -> FlowReport:
    return FlowReport("d", sources, 1.0, 1.0, 0, 9, 0, 0, answer_ms)


def test_what_is_learned_is_the_devices_own_time() -> None:
    """Otherwise a serial line's characters would count twice."""
    serial = device("d", poll("d", 1.0, requests=2, line_s=0.05))
    own = own_answer_ms(serial, flow(62.5, "a"))
    assert own == pytest.approx(12.5)
    cost = cost_of(serial.polls[0], {"answer_ms": own})
    assert cost.seconds == pytest.approx(2 * 0.0625), "as long as it was measured"
    assert own_answer_ms(device("d", poll("d", 1.0, 2)), flow(7.0, "a")) == 7.0
    assert own_answer_ms(serial, flow(40.0, "a")) == 0.0


def test_nothing_is_learned_from_another_plan() -> None:
    assert own_answer_ms(device("d", poll("d", 1.0, 2)), flow(7.0, "b")) is None
    assert own_answer_ms(device("d", poll("d", 1.0, 2)), flow(None, "a")) is None
