"""Births, states, documents and patches: what leaves, when, and in which order."""

import json
from typing import Any

import pytest

from gateway.model.device import DeviceState, Flow
from gateway.northbound.delivery import Outgoing
from gateway.northbound.link import Link
from gateway.northbound.presence import HOLD_S, Presence
from gateway.northbound.topics import Topics
from tests.support.clock import MovingClock
from tests.unit.northbound.fakes import Client, Twins

P = "southgate/v1/gw"


class Stage:
    """A Presence and what it says."""

    def __init__(self, clock: MovingClock, *devices: str) -> None:
        self.clock = clock
        self.twins = Twins(*devices)
        client: Any = Client(document_interval="1m")
        self.link = Link(client, Topics("southgate/v1", "gw"), "01S", clock)
        self.presence = Presence(self.link, self.twins, "1.2.3")
        list(self.presence.births())

    async def tick(self, rebirth: bool = False) -> list[Outgoing]:
        await self.clock.advance(1)
        return [message for message in self.presence.tick(rebirth) if message is not None]

    async def said(self, rebirth: bool = False) -> list[tuple[str, Any]]:
        found = await self.tick(rebirth)
        return [(m.topic.removeprefix(P), json.loads(m.payload) if m.payload else None) for m in found]


@pytest.fixture
def stage(clock: MovingClock) -> Stage:
    return Stage(clock, "m1")


def test_births_state_who_is_here(stage: Stage) -> None:
    stage.twins.set("m1", Power=5)
    birth, state, document = stage.presence.births()
    assert (birth.topic, birth.retain) == (f"{P}/state", True)
    assert json.loads(birth.payload) == {
        "online": True,
        "session": "01S",
        "seq": 0,
        "ts": stage.clock.now(),
        "software": "1.2.3",
        "devices": ["m1"],
    }
    assert (state.topic, state.retain) == (f"{P}/d/m1/state", True)
    assert json.loads(state.payload) == {"state": "online", "reason": "", "since": 5, "session": "01S"}
    assert (document.topic, document.retain) == (f"{P}/d/m1/twin/document", True)
    assert json.loads(document.payload) == {
        "session": "01S",
        "seq": 0,
        "version": 2,
        "ts": 7,
        "properties": {"Power": 5},
        "quality": {},
    }


def test_the_farewell_is_what_the_will_says(stage: Stage) -> None:
    farewell = stage.presence.farewell()
    assert (farewell.topic, farewell.payload) == Presence.will(f"{P}/state", "01S")
    assert json.loads(farewell.payload) == {"online": False, "session": "01S"}
    assert farewell.retain


async def test_patches_count_and_carry_their_base(stage: Stage) -> None:
    assert await stage.said() == []
    stage.twins.set("m1", Power=5)
    [(topic, patch)] = await stage.said()
    assert topic == "/d/m1/twin/reported"
    assert (patch["seq"], patch["base"], patch["version"], patch["properties"]) == (1, 1, 2, {"Power": 5})
    stage.twins.set("m1", Mode="a")
    [(_, patch)] = await stage.said()
    assert (patch["seq"], patch["base"], patch["version"], patch["properties"]) == (2, 2, 3, {"Mode": "a"})
    assert await stage.said() == []


async def test_keys_are_encoded_and_wide_integers_are_text(stage: Stage) -> None:
    stage.twins.set("m1", **{"a/b c": 2**60, "Größe": 1})
    [(_, patch)] = await stage.said()
    assert patch["properties"] == {"a%2Fb%20c": str(2**60), "Größe": 1}
    assert patch["i64"] == ["a%2Fb%20c"]


async def test_a_changed_state_is_told_within_a_second(stage: Stage) -> None:
    stage.twins.states["m1"] = DeviceState(Flow.OFFLINE, "silent", 9)
    [(topic, body)] = await stage.said()
    assert (topic, body) == ("/d/m1/state", {"state": "offline", "reason": "silent", "since": 9, "session": "01S"})
    assert await stage.said() == []


async def test_of_many_devices_the_changed_ones_are_looked_at_first(clock: MovingClock) -> None:
    stage = Stage(clock, *(f"m{n}" for n in range(1000)))
    stage.twins.states["m999"] = DeviceState(Flow.OFFLINE, "silent", 9)
    stage.presence.state_changed("m999")
    assert [topic for topic, _ in await stage.said() if topic.endswith("/state")] == ["/d/m999/state"]


async def test_between_devices_there_is_a_place_for_others(clock: MovingClock) -> None:
    stage = Stage(clock, *(f"m{n}" for n in range(100)))
    assert list(stage.presence.tick(False)) == [None] * 100


async def test_documents_come_again_spread_over_the_interval(clock: MovingClock) -> None:
    stage = Stage(clock, *(f"m{n}" for n in range(60)))
    counts = [sum(topic.endswith("document") for topic, _ in await stage.said()) for _ in range(180)]
    assert sum(counts[:60]) <= 2
    assert sum(counts[60:120]) in (59, 60, 61)
    assert max(counts) <= 3


async def test_a_patch_waits_for_the_acknowledgement(stage: Stage) -> None:
    stage.presence.hold("m1", 4)
    stage.twins.set("m1", Power=5)
    assert await stage.said() == []
    stage.presence.acknowledged("m1", {"version": 3, "results": {}})
    assert await stage.said() == []
    stage.presence.acknowledged("m1", {"version": 4, "results": {"Power": {"status": "applied"}}})
    assert [topic for topic, _ in await stage.said()] == ["/d/m1/twin/reported"]


async def test_while_a_value_is_pending_its_last_acknowledgement_gets_a_second(stage: Stage) -> None:
    stage.presence.hold("m1", 4)
    stage.presence.acknowledged("m1", {"version": 4, "results": {"Power": {"status": "pending"}}})
    stage.twins.set("m1", Power=5)
    assert await stage.said() == []
    assert [topic for topic, _ in await stage.said()] == ["/d/m1/twin/reported"]


async def test_the_wait_for_an_acknowledgement_is_bounded(stage: Stage) -> None:
    stage.presence.hold("m1", 4)
    stage.twins.set("m1", Power=5)
    await stage.clock.advance(HOLD_S)
    assert [topic for topic, _ in await stage.said()] == ["/d/m1/twin/reported"]
    assert stage.link.counts["acknowledgement_missing"] == 1


async def test_a_held_devices_document_follows_the_acknowledgement(stage: Stage) -> None:
    stage.presence.hold("m1", 4)
    assert not [m for m in stage.presence.births() if m.topic.endswith("document")]
    assert await stage.said() == []
    stage.presence.acknowledged("m1", {"version": 4, "results": {}})
    assert [topic for topic, _ in await stage.said()] == ["/d/m1/twin/document"]


async def test_rebirths_are_rate_limited(stage: Stage) -> None:
    assert not stage.presence.may_rebirth()
    assert await stage.said(rebirth=True) == []
    await stage.clock.advance(10)
    assert [topic for topic, _ in await stage.said(rebirth=True)] == ["/state", "/d/m1/state", "/d/m1/twin/document"]
    assert await stage.said(rebirth=True) == []


async def test_devices_come_and_go(stage: Stage) -> None:
    stage.twins.add("m2")
    said = await stage.said()
    assert [topic for topic, _ in said] == ["/state", "/d/m2/state", "/d/m2/twin/document"]
    assert said[0][1]["devices"] == ["m1", "m2"]
    stage.twins.remove("m1")
    said = await stage.said()
    assert [topic for topic, body in said if body is None] == [
        "/d/m1/state",
        "/d/m1/twin/document",
        "/d/m1/twin/desired/ack",
    ]


async def test_a_device_that_went_while_nobody_was_connected_leaves_nothing_behind(stage: Stage) -> None:
    stage.twins.remove("m1")
    stage.presence.follow_devices()
    found = [(m.topic.removeprefix(P), m.payload) for m in stage.presence.births()]
    assert [topic for topic, payload in found if not payload] == [
        "/d/m1/state",
        "/d/m1/twin/document",
        "/d/m1/twin/desired/ack",
    ]
    assert len(list(stage.presence.births())) == 1


async def test_the_answer_to_a_wish_of_an_epoch_before_ends_no_wait(stage: Stage) -> None:
    stage.presence.hold("m1", 3)
    stage.twins.set("m1", Power=5)
    stage.presence.acknowledged("m1", {"version": 50, "results": {"Power": {"status": "superseded"}}})
    assert await stage.said() == []


async def test_an_acknowledgement_from_the_backlog_never_replaces_a_newer_one(stage: Stage) -> None:
    assert stage.presence.is_newest("m1", 10)
    assert not stage.presence.is_newest("m1", 7)
    assert stage.presence.is_newest("m1", 10)
    assert not stage.presence.is_newest("gone", 11)


async def test_a_twin_beyond_the_limit_is_not_sent_and_counted(stage: Stage) -> None:
    stage.twins.set("m1", Text="x" * 40_000)
    assert await stage.said() == []
    assert stage.link.counts["twin_too_large"] == 1
