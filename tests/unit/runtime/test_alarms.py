"""Alarms outlive a restart: whoever clears one clears what was raised."""

from typing import Any

import pytest

from gateway.model.alarm import RuleName
from gateway.model.reading import Batch, Message
from gateway.runtime.alarms import TABLE, Alarms, Subject
from tests.support.clock import MovingClock, settle
from tests.support.state import MemoryState

VALVE = Subject("d1", "Valve")
HOT = RuleName("hot")


class Told:
    """What went up."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, batch: Batch) -> None:
        self.bodies += [dict(record.body) for record in batch if isinstance(record, Message)]

    def states(self) -> list[tuple[str, str]]:
        return [(body["name"], body["state"]) for body in self.bodies]


async def test_what_is_raised_keeps_its_id_over_a_restart(clock: MovingClock) -> None:
    state, told = MemoryState(), Told()
    first = Alarms(told, clock, state)
    first.tell("write-unconfirmed", "raised", "deaf", about=VALVE)
    await first.close()
    await clock.advance(5)
    again = Alarms(told, clock, state)
    again.start()
    assert again.is_raised("write-unconfirmed", VALVE)
    assert list(again.raised("write-unconfirmed")) == [VALVE]
    again.tell("write-unconfirmed", "cleared", "well", about=VALVE)
    await again.close()
    raised, cleared = told.bodies
    assert raised["id"] == cleared["id"]
    assert state.tables[TABLE] == {}


async def test_what_nothing_finds_wrong_with_the_gateway_at_a_start_is_over(clock: MovingClock) -> None:
    state, told = MemoryState(), Told()
    first = Alarms(told, clock, state)
    first.tell("journal-failing", "raised", "no room")
    first.tell("journal-damaged", "raised", "one file")
    await first.close()
    again = Alarms(told, clock, state)
    again.tell("journal-damaged", "raised", "another file")  # the journal, while it opens
    again.start()
    await again.close()
    assert told.states()[2:] == [("journal-damaged", "raised"), ("journal-failing", "cleared")]
    assert [body["id"] for body in told.bodies[2:]] == [told.bodies[1]["id"], told.bodies[0]["id"]]
    assert list(state.tables[TABLE]) == ["journal-damaged\n\n"]


async def test_what_the_disk_refused_is_written_with_the_next(clock: MovingClock) -> None:
    state = MemoryState()
    alarms = Alarms(Told(), clock, state)
    state.fails = True
    alarms.tell("journal-failing", "raised", "no room")
    alarms.tell("write-unconfirmed", "raised", "deaf", about=VALVE)
    await settle()
    state.fails = False
    alarms.tell("journal-failing", "cleared", "room again")
    await settle()
    assert list(state.tables[TABLE]) == ["write-unconfirmed\nd1\nValve"]


async def test_what_somebody_has_seen_stays_raised_and_says_who_over_a_restart(clock: MovingClock) -> None:
    state, told = MemoryState(), Told()
    first = Alarms(told, clock, state)
    first.tell(HOT, "raised", "95 above 90", 95.0, VALVE, "critical")
    identity = told.bodies[0]["id"]
    await first.close()
    await clock.advance(5)
    alarm = first.acknowledge(identity, "anna", "on my way")
    assert first.acknowledge(identity, "bert") is alarm
    await first.close()
    assert told.states() == [("hot", "raised"), ("hot", "acknowledged")]
    assert (told.bodies[1]["id"], told.bodies[1]["why"]) == (identity, "by anna on my way")
    again = Alarms(told, clock, state)
    (kept,) = again.all()
    assert (kept.by, kept.comment, kept.severity, kept.acknowledged) == ("anna", "on my way", "critical", clock.now())
    again.tell(HOT, "raised", "96", about=VALVE)
    assert again.all()[0].by == "anna"
    again.tell(HOT, "cleared", "well", about=VALVE)
    await again.close()
    with pytest.raises(KeyError):
        again.acknowledge(identity)


async def test_an_alarm_kept_by_an_older_gateway_keeps_its_id(clock: MovingClock) -> None:
    state = MemoryState()
    await state.put(TABLE, {"write-unconfirmed\nd1\nValve": "old-id", "hot\n\n": {"id": "x", "name": "hot", "new": 1}})
    alarms = Alarms(Told(), clock, state)
    assert {one.id for one in alarms.all()} == {"old-id", "x"}


async def test_alarms_of_one_moment_have_ids_of_their_own(clock: MovingClock) -> None:
    alarms = Alarms(Told(), clock)
    for device in ("d1", "d2", "d3"):
        alarms.tell(HOT, "raised", "x", about=Subject(device, "T"))
    assert len({one.id for one in alarms.all()}) == 3
    one = alarms.all()[1]
    assert alarms.acknowledge(one.id, "anna").device == one.device
