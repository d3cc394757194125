"""Alarms of a simulated server, as asyncua's own client hears and answers them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import Client, Node, ua

from simulators.behaviour import toggle
from tests.support.clock import MovingClock
from tests.unit.simulators.opcua.profiles import NAME, node, served

IDS = ua.ObjectIds
SOURCE = ua.NodeId("Press", 2)
ALARM = node("Jam", "nodeId: ns=2;s=Press, eventType: i=2915", "valueType: Object, readWrite: R")
FIELDS = ("EventId", "EventType", "SourceNode", "Message", "Severity", "Retain", "ActiveState/Id", "AckedState/Id")


class Listener:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.heard.put_nowait(event)

    async def next(self) -> dict[str, Any]:
        event = await self.heard.get()
        return {name: getattr(event, name) for name in (*FIELDS, "NodeId")}


def what(type_: int = IDS.AlarmConditionType, severity: int = 0) -> ua.EventFilter:
    """Every field; events of a type and, if it is given, a severity."""
    found = ua.EventFilter()
    for name in FIELDS:
        path = [ua.QualifiedName(part, 0) for part in name.split("/")]
        found.SelectClauses.append(ua.SimpleAttributeOperand(ua.NodeId(IDS.BaseEventType), path, ua.AttributeIds.Value))
    found.SelectClauses.append(ua.SimpleAttributeOperand(ua.NodeId(IDS.ConditionType), [], ua.AttributeIds.NodeId))
    of = ua.ContentFilterElement(ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(ua.NodeId(type_)))])
    found.WhereClause.Elements = [of]
    if severity:
        field = ua.SimpleAttributeOperand(
            ua.NodeId(IDS.BaseEventType), [ua.QualifiedName("Severity", 0)], ua.AttributeIds.Value
        )
        least = ua.LiteralOperand(ua.Variant(severity, ua.VariantType.UInt16))
        both = ua.ContentFilterElement(ua.FilterOperator.And, [ua.ElementOperand(1), ua.ElementOperand(2)])
        more = ua.ContentFilterElement(ua.FilterOperator.GreaterThanOrEqual, [field, least])
        found.WhereClause.Elements = [both, of, more]
    return found


@asynccontextmanager
async def listening(client: Client, at: Node, wanted: ua.EventFilter) -> AsyncIterator[tuple[Listener, Any]]:
    listener = Listener()
    subscription = await client.create_subscription(10, listener)
    await subscription._subscribe(at, ua.AttributeIds.EventNotifier, wanted)
    yield listener, subscription
    await subscription.delete()


async def test_an_alarm_comes_is_acknowledged_and_goes() -> None:
    async with served(ALARM) as (running, client):
        source = client.get_node(SOURCE)
        async with listening(client, source, what()) as (listener, _):
            assert running.get(NAME, "Jam") is False
            running.set(NAME, "Jam", True)
            come = await listener.next()
            assert (come["ActiveState/Id"], come["AckedState/Id"], come["Retain"]) == (True, False, True)
            assert (come["SourceNode"], come["Message"].Text) == (SOURCE, "Jam: active")
            condition = client.get_node(come["NodeId"])
            acknowledge = ua.NodeId(IDS.AcknowledgeableConditionType_Acknowledge)
            with pytest.raises(ua.uaerrors.BadEventIdUnknown):
                await condition.call_method(acknowledge, b"another", ua.LocalizedText("seen"))
            await condition.call_method(acknowledge, come["EventId"], ua.LocalizedText("seen"))
            acked = await listener.next()
            assert (acked["ActiveState/Id"], acked["AckedState/Id"], acked["Retain"]) == (True, True, True)
            assert acked["EventId"] != come["EventId"]
            with pytest.raises(ua.uaerrors.BadConditionBranchAlreadyAcked):
                await condition.call_method(acknowledge, come["EventId"], ua.LocalizedText("again"))
            await condition.call_method(
                ua.NodeId(IDS.AcknowledgeableConditionType_Confirm), acked["EventId"], ua.LocalizedText("mended")
            )
            await listener.next()
            running.set(NAME, "Jam", False)
            gone = await listener.next()
            assert (gone["ActiveState/Id"], gone["Retain"], gone["Message"].Text) == (False, False, "Jam: normal")


async def test_what_is_not_at_rest_is_told_again_on_refresh() -> None:
    async with served(ALARM) as (running, client):
        running.set(NAME, "Jam", True)
        async with listening(client, client.nodes.server, what()) as (listener, subscription):
            type_ = client.get_node(ua.NodeId(IDS.ConditionType))
            refresh = ua.NodeId(IDS.ConditionType_ConditionRefresh)
            await type_.call_method(refresh, ua.Variant(subscription.subscription_id, ua.VariantType.UInt32))
            found = await listener.next()
            assert (found["ActiveState/Id"], found["SourceNode"]) == (True, SOURCE)


@pytest.mark.parametrize(
    ("type_", "severity", "heard"),
    [
        (IDS.BaseEventType, 0, True),
        (IDS.OffNormalAlarmType, 0, True),
        (IDS.LimitAlarmType, 0, False),
        (IDS.ConditionType, 500, True),
        (IDS.ConditionType, 900, False),
    ],
)
async def test_who_asks_for_a_type_hears_its_subtypes_and_no_others(type_: int, severity: int, heard: bool) -> None:
    """Two items of one subscription: what both hear comes twice, before what comes next."""
    async with served(ALARM) as (running, client):
        server = client.nodes.server
        async with listening(client, server, what()) as (listener, subscription):
            await subscription._subscribe(server, ua.AttributeIds.EventNotifier, what(type_, severity))
            running.set(NAME, "Jam", True)
            first = await listener.next()
            running.set(NAME, "Jam", False)
            assert ((await listener.next())["EventId"] == first["EventId"]) == heard


async def test_events_that_are_no_conditions_have_no_end_and_own_types_are_alarms() -> None:
    resources = [
        node("Failure", "nodeId: ns=2;s=Press, eventType: i=2131", "valueType: Object, readWrite: R"),
        node("Own", "nodeId: i=2253, eventType: nsu=urn:acme;i=1001", "valueType: Object, readWrite: R"),
    ]
    async with served(*resources) as (running, client):
        wanted = what(IDS.BaseEventType)
        async with listening(client, client.nodes.server, wanted) as (listener, _):
            running.set(NAME, "Failure", True)
            found = await listener.next()
            assert (found["EventType"], found["ActiveState/Id"]) == (ua.NodeId(2131), None)
            running.set(NAME, "Failure", False)
            running.set(NAME, "Own", True)
            found = await listener.next()
            index = await client.get_namespace_index("urn:acme")
            assert (found["EventType"], found["ActiveState/Id"]) == (ua.NodeId(1001, index), True)
            assert found["SourceNode"] == ua.NodeId(IDS.Server)


async def test_alarms_come_and_go_by_themselves(clock: MovingClock) -> None:
    async with served(ALARM, clock=clock) as (running, _):
        states = []
        for _ in range(200):
            clock._monotonic += 1.0
            states.append(running.get(NAME, "Jam"))
        assert 60 < sum(states) < 140
        running.behave(NAME, "Jam", toggle(2.0))
        before = running.get(NAME, "Jam")
        clock._monotonic += 1.0
        assert running.get(NAME, "Jam") is not before
