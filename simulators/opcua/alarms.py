"""Alarms of a simulated server (Part 9): what they tell, and what people say to them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.server.internal_server import InternalServer
from asyncua.ua.object_ids import ObjectIds

from gateway.model.contracts import Clock
from simulators.opcua.ids import node_id, status
from simulators.opcua.node import moment
from simulators.opcua.points import Alarm
from simulators.opcua.unit import Unit

V = ua.VariantType
OFF_NORMAL = node_id(ObjectIds.OffNormalAlarmType)
GENERAL = (
    ObjectIds.BaseEventType,
    ObjectIds.ConditionType,
    ObjectIds.AcknowledgeableConditionType,
    ObjectIds.AlarmConditionType,
)
"""Types that no server tells as they are: these alarms are of `OFF_NORMAL`."""
SERVER = node_id(ObjectIds.Server)
SEVERITY = 600


class Happening:
    """One event, as asyncua's subscriptions take it."""

    def __init__(self, fields: Mapping[str, ua.Variant], types: frozenset[ua.NodeId], at: ua.NodeId) -> None:
        """`types`: its own and those above; `at`: the object that tells it."""
        self.fields = fields
        self.emitting_node = at
        self.EventType = _OneOf(types)
        if "NodeId" in fields:
            self.NodeId = (fields["NodeId"].Value, at)  # by this asyncua keeps what a refresh tells again

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__["fields"].get(name)
        if found is None:
            raise AttributeError(name)
        return found.Value

    def to_event_fields(self, clauses: Sequence[ua.SimpleAttributeOperand]) -> list[ua.Variant]:
        """What is selected; null where it has no such field."""
        names = ["/".join(part.Name for part in one.BrowsePath or ()) or "NodeId" for one in clauses]
        return [self.fields.get(name, ua.Variant()) for name in names]


class _OneOf:
    """asyncua's OfType asks for the very type; a subtype is meant, too (Part 4, 7.7.3)."""

    def __init__(self, types: frozenset[ua.NodeId]) -> None:
        self._types = types

    def __eq__(self, other: object) -> bool:
        return other in self._types

    def __hash__(self) -> int:
        return hash(self._types)


@dataclass(slots=True)
class Condition:
    """An alarm of one resource: active, acknowledged, confirmed."""

    alarm: Alarm
    unit: Unit
    id: ua.NodeId
    source: ua.NodeId
    type: ua.NodeId
    types: frozenset[ua.NodeId]
    """Its type and those above."""
    active: bool = False
    acked: bool = True
    confirmed: bool = True
    comment: str = ""
    events: set[bytes] = field(default_factory=set)
    """Ids of what was told since it last became active."""

    @property
    def retain(self) -> bool:
        return self.active or not self.acked

    def tell(self, now: int) -> list[Happening]:
        """What has become of it: to those who listen to its source, and to those who listen to the server."""
        event_id = uuid.uuid4().bytes
        self.events.add(event_id)
        fields = self._event(event_id, now)
        if node_id(ObjectIds.ConditionType) in self.types:
            fields |= self._condition()
        return [Happening(fields, self.types, at) for at in dict.fromkeys((self.source, SERVER))]

    def _event(self, event_id: bytes, now: int) -> dict[str, ua.Variant]:
        name = self.alarm.resource.name
        message = f"{self.alarm.resource.description or name}: {'active' if self.active else 'normal'}"
        time = ua.Variant(moment(now), V.DateTime)
        return {
            "EventId": ua.Variant(event_id, V.ByteString),
            "EventType": ua.Variant(self.type, V.NodeId),
            "SourceNode": ua.Variant(self.source, V.NodeId),
            "SourceName": ua.Variant(name, V.String),
            "Time": time,
            "ReceiveTime": time,
            "Message": ua.Variant(ua.LocalizedText(message), V.LocalizedText),
            "Severity": ua.Variant(max(SEVERITY, self.alarm.severity), V.UInt16),
        }

    def _condition(self) -> dict[str, ua.Variant]:
        found = {
            "NodeId": ua.Variant(self.id, V.NodeId),
            "ConditionName": ua.Variant(self.alarm.resource.name, V.String),
            "BranchId": ua.Variant(ua.NodeId(), V.NodeId),
            "Retain": ua.Variant(self.retain, V.Boolean),
            "Quality": ua.Variant(status(0), V.StatusCode),
            "Comment": ua.Variant(ua.LocalizedText(self.comment), V.LocalizedText),
            "SuppressedOrShelved": ua.Variant(False, V.Boolean),
        }
        for state, true, (yes, no) in (
            ("EnabledState", True, ("Enabled", "Disabled")),
            ("ActiveState", self.active, ("Active", "Inactive")),
            ("AckedState", self.acked, ("Acknowledged", "Unacknowledged")),
            ("ConfirmedState", self.confirmed, ("Confirmed", "Unconfirmed")),
        ):
            found[state] = ua.Variant(ua.LocalizedText(yes if true else no), V.LocalizedText)
            found[f"{state}/Id"] = ua.Variant(true, V.Boolean)
        return found

    def follow(self) -> bool:
        """Takes what the device says now; whether that is news: an event that is no condition has no end."""
        active = self.unit.active[self.alarm.resource.name]
        if active == self.active:
            return False
        self.active = active
        if active:
            self.acked, self.confirmed, self.events = False, True, set()
        return active or node_id(ObjectIds.ConditionType) in self.types

    def say(self, what: str, event_id: bytes, comment: str) -> int:
        """What people say to it; the status code that they get (Part 9, 5.7.3, 5.7.4)."""
        if event_id not in self.events:
            return ua.StatusCodes.BadEventIdUnknown
        if what == "acknowledge":
            if self.acked:
                return ua.StatusCodes.BadConditionBranchAlreadyAcked
            self.acked, self.confirmed = True, False
        if what == "confirm":
            if self.confirmed:
                return ua.StatusCodes.BadConditionBranchAlreadyConfirmed
            self.confirmed = True
        self.comment = comment
        return ua.StatusCodes.Good


METHODS = {
    ObjectIds.AcknowledgeableConditionType_Acknowledge: "acknowledge",
    ObjectIds.AcknowledgeableConditionType_Confirm: "confirm",
    ObjectIds.ConditionType_AddComment: "addComment",
}


class Alarms:
    """All of a server."""

    def __init__(self, server: InternalServer, conditions: Sequence[Condition], clock: Clock) -> None:
        self._service = server.subscription_service
        self._conditions = {condition.id: condition for condition in conditions}
        self._clock = clock
        for number, what in METHODS.items():
            server.aspace.add_method_callback(node_id(number), self._answering(what))

    async def look(self) -> None:
        """Tells what has changed."""
        for condition in self._conditions.values():
            if condition.follow():
                await self._tell(condition)

    async def _tell(self, condition: Condition) -> None:
        for happening in condition.tell(self._clock.now()):
            await self._service.trigger_event(happening)

    def _answering(self, what: str) -> Any:
        async def answer(on: ua.NodeId, *given: ua.Variant) -> ua.StatusCode:
            condition = self._conditions.get(on)
            if condition is None:
                return status(ua.StatusCodes.BadNodeIdUnknown)
            if [one.VariantType for one in given] != [V.ByteString, V.LocalizedText]:
                return status(ua.StatusCodes.BadInvalidArgument)
            condition.unit.requests += 1
            code = condition.say(what, given[0].Value, (given[1].Value and given[1].Value.Text) or "")
            if code == ua.StatusCodes.Good:
                await self._tell(condition)
            return status(code)

        return answer
