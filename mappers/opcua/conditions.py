"""Alarms, conditions and other events: what is asked of the server, and one as an object (Part 4, 7.22.3; Part 9).

Fields of all event types are asked for by their names; of a type that lacks one nothing comes, and it is left out.
"""

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from asyncua import ua

from gateway.model.errors import CommandRejected, DeviceError
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.codec.scalars import Unfit, node_id
from mappers.opcua.codec.structure import Types
from mappers.opcua.codec.values import json_of
from mappers.opcua.point import Point
from mappers.opcua.session import Session
from mappers.opcua.session.paths import followed
from mappers.opcua.status import name_of, said

_IDS = ua.ObjectIds
FIELDS: dict[int, tuple[str, ...]] = {
    _IDS.BaseEventType: (
        "EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity",
    ),
    _IDS.ConditionType: (
        "ConditionName", "ConditionClassName", "BranchId", "Retain", "EnabledState", "EnabledState/Id", "Quality",
        "Comment", "ClientUserId",
    ),
    _IDS.AcknowledgeableConditionType: ("AckedState", "AckedState/Id", "ConfirmedState", "ConfirmedState/Id"),
    _IDS.AlarmConditionType: (
        "ActiveState", "ActiveState/Id", "InputNode", "SuppressedOrShelved", "SuppressedState/Id",
    ),
    _IDS.LimitAlarmType: ("HighHighLimit", "HighLimit", "LowLimit", "LowLowLimit"),
}  # fmt: skip
"""By the type that has them. A field of a field is written with a slash, as `ActiveState/Id`."""
CONDITION_ID = "ConditionId"
"""The node of the condition itself: no field, but an attribute (Part 9, 5.5.2.13)."""
NAMES = (*[name for names in FIELDS.values() for name in names], CONDITION_ID)
_EVENT_TYPE, _TIME = NAMES.index("EventType"), NAMES.index("Time")
REFRESH = frozenset(
    ua.NodeId(ua.Int32(number))
    for number in (_IDS.RefreshStartEventType, _IDS.RefreshEndEventType, _IDS.RefreshRequiredEventType)
)
"""Events about the telling itself (Part 9, 5.11)."""
LOST = tuple(
    ua.NodeId(ua.Int32(number)) for number in (_IDS.RefreshRequiredEventType, _IDS.EventQueueOverflowEventType)
)
"""Events that say that others were lost (Part 9, 5.11.4; Part 4, 5.13.1.5)."""


def event_filter(event_type: ua.NodeId, severity: int) -> ua.EventFilter:
    """Events of a type (and its subtypes) of at least a severity."""
    wanted: list[tuple[ua.FilterOperator, list[ua.FilterOperand]]] = []
    if severity > 1:
        least = ua.LiteralOperand(Value=ua.Variant(severity, ua.VariantType.UInt16))
        wanted.append((ua.FilterOperator.GreaterThanOrEqual, [_field(_IDS.BaseEventType, "Severity"), least]))
    if event_type != _node(_IDS.BaseEventType):
        of = ua.LiteralOperand(Value=ua.Variant(event_type, ua.VariantType.NodeId))
        wanted.append((ua.FilterOperator.OfType, [of]))
    if len(wanted) == 2:
        both: list[ua.FilterOperand] = [ua.ElementOperand(Index=ua.UInt32(1)), ua.ElementOperand(Index=ua.UInt32(2))]
        wanted.insert(0, (ua.FilterOperator.And, both))
    found = ua.EventFilter()
    found.SelectClauses = [_field(owner, name) for owner, names in FIELDS.items() for name in names]
    found.SelectClauses.append(ua.SimpleAttributeOperand(_node(_IDS.ConditionType), [], ua.AttributeIds.NodeId))
    found.WhereClause.Elements = [ua.ContentFilterElement(operator, operands) for operator, operands in wanted]
    return found


def value(fields: Sequence[ua.Variant], types: Types) -> dict[str, Any] | None:
    """An event as an object: its fields by name, states as true or false, bytes as base64, what is empty left out.
    None: it is about the telling itself."""
    if len(fields) != len(NAMES) or any(fields[_EVENT_TYPE].Value == about for about in REFRESH):
        return None
    found: dict[str, Any] = {}
    for name, one in zip(NAMES, fields, strict=True):
        with suppress(Misfit):
            plain = json_of(one, types) if one.Value is not None else None
            if plain is not None:
                found[name.removesuffix("/Id")] = plain
    return found


def lost(fields: Sequence[ua.Variant]) -> bool:
    """It says that others were lost: conditions are to be told again."""
    return len(fields) == len(NAMES) and fields[_EVENT_TYPE].Value in LOST


def time_of(fields: Sequence[ua.Variant]) -> datetime | None:
    """When it happened."""
    found = fields[_TIME].Value
    return found if isinstance(found, datetime) else None


async def refresh(session: Session, subscription: int) -> None:
    """The server tells again what conditions are not at rest (Part 9, 5.5.7); one that has no conditions refuses."""
    asked = ua.CallMethodRequest(
        _node(_IDS.ConditionType),
        _node(_IDS.ConditionType_ConditionRefresh),
        [ua.Variant(subscription, ua.VariantType.UInt32)],
    )
    with suppress(DeviceError):
        await session.ask(lambda to: to.call([asked]))


METHODS = {
    "acknowledge": ("Acknowledge", _IDS.AcknowledgeableConditionType_Acknowledge),
    "confirm": ("Confirm", _IDS.AcknowledgeableConditionType_Confirm),
    "addComment": ("AddComment", _IDS.ConditionType_AddComment),
}
"""Called on the condition: its own method of that name, or, where the server shows no conditions in its address space,
the one of its type (Part 9, 5.7.3, 5.7.4 and 5.5.6)."""


async def say(session: Session, point: Point, given: Mapping[str, Any]) -> None:
    """Something to an alarm: `{ConditionId, EventId, Comment}`, the first two as its event gave them. Raises
    CommandRejected (422), NotConnected, NoAnswer, DeviceError."""
    node, event = _which(point, given, session)
    comment = ua.LocalizedText(str(given.get("Comment", "")))
    arguments = [ua.Variant(event, ua.VariantType.ByteString), ua.Variant(comment, ua.VariantType.LocalizedText)]
    asked = ua.CallMethodRequest(node, await _method(session, node, *METHODS[point.condition]), arguments)
    (answer,) = await session.ask(lambda to: to.call([asked]))
    if answer.StatusCode.is_bad():
        code = name_of(answer.StatusCode.value)
        raise DeviceError(code, f"{point.name}: {said(code)}", f"Call {point.condition} of {node.to_string()}")


async def _method(session: Session, condition: ua.NodeId, name: str, of_type: int) -> ua.NodeId:
    """The condition's own, else that of its type."""
    (own,) = await followed(session, [(condition, _IDS.HasComponent, ua.QualifiedName(name, 0))])
    return _node(of_type) if own is None else own


def _which(point: Point, given: Mapping[str, Any], session: Session) -> tuple[ua.NodeId, bytes]:
    """Of which condition, as its event named it, with an index of now; and of which of its events."""
    try:
        condition = node_id(given.get("ConditionId", ""), session.types.namespaces)
        event = base64.b64decode(str(given.get("EventId", "")), validate=True)
    except (ValueError, Unfit) as error:
        raise CommandRejected(
            422, f"{point.name}: ConditionId or EventId is not as its event gave it: {error}"
        ) from None
    if not event:
        raise CommandRejected(422, f"{point.name}: EventId is missing; take it from the newest event of the condition")
    return condition, event


def _node(number: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number))


def _field(owner: int, name: str) -> ua.SimpleAttributeOperand:
    path = [ua.QualifiedName(part, 0) for part in name.split("/")]
    return ua.SimpleAttributeOperand(_node(owner), path, ua.AttributeIds.Value)
