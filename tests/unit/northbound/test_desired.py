"""Desired documents on their way in: checked, the newest handed on, others fetched, waited with or answered."""

from typing import Any

import pytest

from gateway.model.errors import StoreFailed
from gateway.northbound.desired import TABLE
from tests.support.clock import MovingClock
from tests.unit.northbound.fakes import State
from tests.unit.northbound.stage import P, Stage

DESIRED = f"{P}/d/m1/twin/desired"


def wish(version: int, epoch: str = "a", **properties: Any) -> dict[str, Any]:
    return {"epoch": epoch, "version": version, "ts": 1, "properties": properties}


def versions(stage: Stage) -> list[tuple[str, int]]:
    return [(d.epoch, d.version) for d in stage.commands.desires]


async def test_a_desired_document_is_handed_on_with_names(stage: Stage) -> None:
    await stage.get(DESIRED, wish(1, **{"a%2Fb": 5, "Größe": 1}) | {"expires_at": 77})
    [desired] = stage.commands.desires
    assert (desired.device, desired.epoch, desired.version) == ("m1", "a", 1)
    assert (desired.properties, desired.expires_at) == ({"a/b": 5, "Größe": 1}, 77)
    assert stage.state.tables[TABLE] == {"m1": ["a", 1]}


async def test_versions_are_left_to_the_command_road(stage: Stage) -> None:
    for version in (5, 5, 4):
        await stage.get(DESIRED, wish(version))
    assert versions(stage) == [("a", 5), ("a", 5), ("a", 4)]


async def test_while_setting_up_only_the_newest_is_handed_on(clock: MovingClock) -> None:
    stage = Stage(clock)
    stage.desired.collect()
    await stage.get(DESIRED, wish(2))
    await stage.get(DESIRED, wish(3))
    await stage.get(DESIRED, wish(3), retain=True)
    await stage.get(DESIRED, wish(2))
    assert versions(stage) == []
    await stage.settled()
    assert versions(stage) == [("a", 3)]
    await stage.close()


async def test_the_retained_document_wins_over_another_epoch_from_the_queue(clock: MovingClock) -> None:
    stage = Stage(clock)
    stage.desired.collect()
    await stage.get(DESIRED, wish(9, "old"))
    await stage.get(DESIRED, wish(2, "new"), retain=True)
    await stage.get(DESIRED, wish(10, "old"))
    await stage.settled()
    assert versions(stage) == [("new", 2)]
    await stage.close()


async def test_a_restored_cloud_is_believed_after_fetching_again(stage: Stage) -> None:
    await stage.get(DESIRED, wish(9, "old"))
    await stage.get(DESIRED, wish(2, "new"))
    assert versions(stage) == [("old", 9)]
    assert stage.desired.may_fetch()
    await stage.get(DESIRED, wish(2, "new"), retain=True)
    assert versions(stage) == [("old", 9), ("new", 2)]
    await stage.get(DESIRED, wish(2, "new"), retain=True)
    assert versions(stage)[2:] == []


async def test_the_epoch_is_remembered_over_a_restart(clock: MovingClock) -> None:
    state = State()
    state.tables[TABLE] = {"m1": ["new", 7]}
    stage = Stage(clock, state)
    await stage.get(DESIRED, wish(5, "old"))
    assert versions(stage) == []
    assert stage.desired.may_fetch()
    await stage.close()


async def test_subscribing_anew_is_rate_limited(stage: Stage) -> None:
    await stage.get(DESIRED, wish(9, "old"))
    for _ in range(2):
        await stage.get(DESIRED, wish(2, "new"))
    assert stage.desired.may_fetch()
    assert not stage.desired.may_fetch()
    await stage.get(DESIRED, wish(2, "new"))
    assert not stage.desired.may_fetch()
    await stage.clock.advance(5)
    assert stage.desired.may_fetch()


async def test_too_large_is_acknowledged_as_such_and_not_applied(stage: Stage) -> None:
    await stage.get(DESIRED, wish(4, x="y" * 40_000), retain=True)
    assert versions(stage) == []
    [ack] = stage.client.said("twin/desired/ack")
    assert (ack["version"], ack["session"]) == (4, "01S")
    assert ack["results"]["*"]["status"] == "rejected"
    assert ack["results"]["*"]["code"] == 413
    assert next(m for m in stage.client.sent if m.topic.endswith("ack")).retain


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (wish(4) | {"properties": {"a b": 1}}, 400),
        (wish(4) | {"properties": {"a": [[[[[[[[[[1]]]]]]]]]]}}, 413),
        ({"version": 4, "properties": {}}, 400),
        (b'{"epoch":"a","version":4,"properties":{"a":NaN}}', 400),
    ],
)
async def test_what_is_wrong_is_acknowledged_with_its_version(stage: Stage, payload: Any, code: int) -> None:
    await stage.get(DESIRED, payload)
    [ack] = stage.client.said("twin/desired/ack")
    assert (ack["version"], ack["results"]["*"]["code"]) == (4, code)


async def test_a_wish_for_a_device_to_come_waits_for_it(stage: Stage) -> None:
    await stage.get(f"{P}/d/m2/twin/desired", wish(1), retain=True)
    await stage.get(f"{P}/d/m2/twin/desired", wish(2), retain=True)
    assert versions(stage) == []
    stage.twins.add("m2")
    stage.presence.follow_devices()
    await stage.desired.again()
    assert [(d.device, d.version) for d in stage.commands.desires] == [("m2", 2)]


async def test_a_device_that_comes_back_gets_its_document_again(stage: Stage) -> None:
    await stage.get(DESIRED, wish(3), retain=True)
    for change in (stage.twins.remove, stage.twins.add):
        assert not stage.desired.may_fetch()
        change("m1")
        stage.presence.follow_devices()
        await stage.desired.again()
    assert stage.desired.may_fetch()
    await stage.get(DESIRED, wish(3), retain=True)
    assert versions(stage) == [("a", 3)] * 2


async def test_a_disk_that_refuses_does_not_stop_a_wish(stage: Stage) -> None:
    async def full(*_: Any) -> None:
        raise StoreFailed("full")

    stage.state.put = full  # type: ignore[method-assign]
    await stage.get(DESIRED, wish(1))
    assert versions(stage) == [("a", 1)]
    assert stage.counts["desired_disk_failed"] == 1


async def test_every_connection_acknowledges_the_retained_documents_once(stage: Stage) -> None:
    """The broker may have lost what it kept, and with it our acknowledgement."""
    await stage.get(DESIRED, wish(1))
    stage.presence.acknowledged("m1", {"version": 1, "results": {}})
    stage.desired.collect()
    await stage.get(DESIRED, wish(1), retain=True)
    await stage.settled()
    assert versions(stage) == [("a", 1)] * 2
    await stage.get(DESIRED, wish(1), retain=True)  # subscribed anew because of somebody else
    assert versions(stage) == [("a", 1)] * 2
    stage.twins.set("m1", Power=5)
    await stage.clock.advance(1)
    assert [m for m in stage.presence.births() if m.topic.endswith("document")], "nothing follows from what is known"


async def test_a_cleared_document_means_nothing(stage: Stage) -> None:
    await stage.get(DESIRED, b"")
    assert stage.counts["desired_cleared"] == 1
    assert stage.client.said("ack") == []
