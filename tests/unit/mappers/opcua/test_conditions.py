"""Alarms and other events of a server as readings, and what people say to alarms."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua
from asyncua.server.event_generator import EventGenerator

from gateway.model.errors import CommandRejected, DeviceError
from mappers.opcua.codec.structure import Types
from mappers.opcua.conditions import NAMES, event_filter, say, value
from mappers.opcua.point import Point, locate
from tests.unit.mappers.opcua.subscription.rig import (
    Peer,
    Rig,
    device,
    poll,
    resource,
    serving,
    source,
    subscribing,
)

BASE, ALARM = "i=2041", "i=2915"
CONDITION = ua.NodeId("Boiler.High", 2)


def told(rig: Rig, name: str) -> list[dict[str, Any]]:
    """That nothing has happened yet is left out."""
    return [one for one in rig.ear.values(name) if one is not None]


@asynccontextmanager
async def rigged() -> AsyncIterator[tuple[Peer, Rig, EventGenerator]]:
    """A server with one alarm that is not at rest."""
    async with serving("a", conditions=True) as peer:
        await peer.server.nodes.objects.add_object(CONDITION, ua.QualifiedName("High", 2))
        alarm = await peer.server.get_event_generator(ua.ObjectIds.AlarmConditionType, ua.ObjectIds.Server)
        event = alarm.event
        event.NodeId, event.ConditionName, event.SourceName = CONDITION, "High", "Boiler"
        event.add_property("ActiveState/Id", True, ua.VariantType.Boolean)
        event.add_property("AckedState/Id", False, ua.VariantType.Boolean)
        event.Retain, event.Severity = True, 700
        await alarm.trigger(message="too hot")
        async with subscribing(of := device(peer.port)) as rig:
            everything = resource("everything", "Object", nodeId="i=2253", eventType=BASE)
            alarms = resource("alarms", "Object", nodeId="i=2253", eventType=ALARM, severity=500)
            await rig.subscribe(poll(of, 0.05, source("told", everything, alarms, resource("a"))))
            yield peer, rig, alarm


@pytest.mark.parametrize("kind", [ua.ObjectIds.RefreshRequiredEventType, ua.ObjectIds.EventQueueOverflowEventType])
async def test_what_is_not_at_rest_is_told_again_where_the_server_says_that_events_were_lost(kind: int) -> None:
    """T14: Part 9, 5.11.4."""
    async with rigged() as (peer, rig, _):
        await rig.ear.until(lambda _: len(told(rig, "alarms")) == 1)
        await (await peer.server.get_event_generator(kind, ua.ObjectIds.Server)).trigger(message="some were lost")
        async with asyncio.timeout(5):
            while not rig.counts:  # noqa: ASYNC110  nothing need be told of it
                await asyncio.sleep(0.01)
        for _ in range(2):
            await rig.made.look()
        await rig.ear.until(lambda _: len(told(rig, "alarms")) == 2)
        assert rig.counts == {"overflow": 1}


async def test_events_of_a_server() -> None:
    async with rigged() as (peer, rig, alarm):
        await _what_is_not_at_rest_is_told_at_once(rig)
        await _each_event_is_a_reading(peer, rig, alarm)
        await _people_answer(peer, rig)


async def _what_is_not_at_rest_is_told_at_once(rig: Rig) -> None:
    """ConditionRefresh; the events about it are no events of the device."""
    await rig.ear.until(lambda ear: len(told(rig, "alarms")) == 1 and ear.values("a") == [0])
    (one,) = told(rig, "alarms")
    assert one["Message"] == "too hot"
    assert (one["ConditionId"], one["ConditionName"], one["SourceName"]) == ("ns=2;s=Boiler.High", "High", "Boiler")
    assert (one["ActiveState"], one["AckedState"], one["Retain"], one["Severity"]) == (True, False, True, 700)
    assert base64.b64decode(one["EventId"])
    assert one["EventType"] == ALARM
    assert told(rig, "everything") == [one]


async def _each_event_is_a_reading(peer: Peer, rig: Rig, alarm: EventGenerator) -> None:
    """Of its own time; what is not severe enough is left out by the server."""
    alarm.event.Severity = 100
    await alarm.trigger(message="less hot")
    simple = await peer.server.get_event_generator()
    await simple.trigger(message="hello")
    await rig.ear.until(lambda ear: len(told(rig, "everything")) == 3)
    assert [one["Message"] for one in told(rig, "everything")] == ["too hot", "less hot", "hello"]
    assert len(told(rig, "alarms")) == 1
    last = rig.ear.events[-1]
    assert last.which == (0,)
    assert last.times is not None
    assert "ActiveState" not in told(rig, "everything")[-1]


async def _people_answer(peer: Peer, rig: Rig) -> None:
    heard: list[Any] = []

    def acknowledge(parent: ua.NodeId, event: ua.Variant, comment: ua.Variant) -> ua.StatusCode:
        heard.append((parent, event.Value, comment.Value.Text))
        known = event.Value == base64.b64decode(told(rig, "alarms")[0]["EventId"])
        return ua.StatusCode(ua.StatusCodes.Good if known else ua.StatusCodes.BadEventIdUnknown)

    method = ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType_Acknowledge)
    peer.server.iserver.isession.add_method_callback(method, acknowledge)
    point = _point("acknowledge")
    given = {**told(rig, "alarms")[0], "Comment": "seen"}
    rig.session.namespaces.moved[2] = 5  # what an event names is as the server counts now
    await say(rig.session, point, given)
    assert heard == [(CONDITION, base64.b64decode(given["EventId"]), "seen")]
    with pytest.raises(DeviceError, match="does not know this event any more"):
        await say(rig.session, point, given | {"EventId": "AAAA"})
    with pytest.raises(CommandRejected, match="urn:gone"):
        await say(rig.session, point, given | {"ConditionId": "nsu=urn:gone;i=1"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "expected a node id"),
        ({"ConditionId": "ns=2;i=1"}, "EventId is missing"),
        ({"ConditionId": "ns=2;i=1", "EventId": "?"}, "not as its event gave it"),
        ({"ConditionId": 7, "EventId": "AAAA"}, "expected a node id"),
    ],
)
async def test_what_cannot_be_said_is_rejected_in_words(given: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandRejected, match=words):
        await say(SimpleNamespace(types=Types()), _point("confirm"), given)  # type: ignore[arg-type]


def test_the_filter_asks_for_type_and_severity() -> None:
    operators = [one.FilterOperator for one in event_filter(ua.NodeId(2915), 500).WhereClause.Elements]
    wanted = [ua.FilterOperator.And, ua.FilterOperator.GreaterThanOrEqual, ua.FilterOperator.OfType]
    assert operators == wanted
    assert not event_filter(ua.NodeId(ua.Int32(2041)), 1).WhereClause.Elements


def test_an_event_of_another_shape_is_left_out() -> None:
    assert value([ua.Variant(1)], Types()) is None
    nan = [ua.Variant(float("nan")) if name == "HighLimit" else ua.Variant(None) for name in NAMES]
    assert value(nan, Types()) == {}


def test_an_event_with_unusual_fields_can_be_written_down() -> None:
    given = {
        "EventType": ua.Variant([ua.NodeId(1)]),
        "Message": ua.Variant([b"\1\2"]),
        "Severity": ua.Variant([1.5, float("inf")]),
        "Comment": ua.Variant(ua.ExtensionObject(ua.NodeId(5, 2), b"\1")),
        "LowLimit": ua.Variant(26.530000686645508, ua.VariantType.Float),
        "HighLimit": _nested(100),
    }
    found = value([given.get(name, ua.Variant()) for name in NAMES], Types())
    assert found == {
        "EventType": ["i=1"], "Message": ["AQI="], "Severity": [1.5, None],
        "Comment": {"TypeId": "ns=2;i=5", "Body": "AQ=="}, "LowLimit": 26.53,
    }  # fmt: skip


def _nested(levels: int) -> ua.Variant:
    found: list[Any] = [1]
    for _ in range(levels):
        found = [found]
    return ua.Variant(found, ua.VariantType.Int32, is_array=True)


def _point(condition: str) -> Point:
    given = {"name": "say", "properties": {"valueType": "Object", "readWrite": "W"}}
    found, _ = locate(type(resource("x")).model_validate(given | {"attributes": {"condition": condition}}))
    assert found is not None
    return found
