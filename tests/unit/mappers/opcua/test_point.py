"""What a resource is, from its attributes, its value type and its direction."""

from typing import Any

import pytest

from mappers.opcua.address import Deadband, NodeRef, Step
from mappers.opcua.point import Kind, Point, at_text, locate
from tests.unit.mappers.opcua.build import resource

NODE = {"nodeId": "ns=2;s=Speed"}
METHOD = {"methodId": "ns=2;s=Start", "objectId": "ns=2;s=Press"}
EVENTS = {"nodeId": "i=2253", "eventType": "i=2041"}
CONDITION = {"condition": "acknowledge"}


def point(value_type: str = "Int32", read_write: str = "R", **attributes: Any) -> Point:
    found, problems = locate(resource("r", value_type, read_write, **attributes))
    assert problems == []
    assert found is not None
    return found


def said(value_type: str, read_write: str, **attributes: Any) -> list[str]:
    return [str(problem) for problem in locate(resource("r", value_type, read_write, **attributes))[1]]


def test_a_node_by_id_and_by_path() -> None:
    by_id, by_path = point(**NODE), point(browsePath="/2:Press/nsu=urn:acme;Speed")
    assert by_id.kind is by_path.kind is Kind.VALUE
    assert by_id.at == NodeRef(2, "s", "Speed")
    assert by_path.at == (Step(2, "Press"), Step("urn:acme", "Speed"))
    assert [at_text(one.at) for one in (by_id, by_path) if one.at] == ["ns=2;s=Speed", "/2:Press/nsu=urn:acme;Speed"]
    assert not by_id.writes
    assert point("Int32", "RW", **NODE).writes


def test_how_a_node_is_watched() -> None:
    plain = point(**NODE)
    assert (plain.subscribe, plain.sampling, plain.queue, plain.deadband, plain.trigger) == (
        True, None, None, None, "value",
    )  # fmt: skip
    given = point(**NODE, subscribe=False, samplingInterval="250ms", queueSize=5, deadband="2%", trigger="timestamp")
    assert (given.subscribe, given.sampling, given.queue, given.deadband, given.trigger) == (
        False, 0.25, 5, Deadband(2.0, percent=True), "timestamp",
    )  # fmt: skip


def test_equal_points_are_one_key() -> None:
    assert {point(**NODE), point(**NODE)} == {point(**NODE)}
    assert point(**NODE) != point("Int16", **NODE)


def test_a_field_of_a_structure_and_arrays() -> None:
    assert point("Float64", **NODE, field="Position.X").field == ("Position", "X")
    array = point("Uint16Array", **NODE)
    assert (array.is_array, array.element) == (True, "Uint16")
    assert (point(**NODE).is_array, point(**NODE).element) == (False, "Int32")


def test_a_method_is_called_by_a_read_or_by_a_write() -> None:
    read = point("Float64", "R", **METHOD, inputMap=["10", "0x20"])
    assert (read.kind, read.at, read.method) == (Kind.METHOD, NodeRef(2, "s", "Press"), NodeRef(2, "s", "Start"))
    assert read.inputs == ("10", "0x20")
    by_path = point("Bool", "W", objectId="/2:Press", methodId="/2:Press/nsu=urn:acme;Start")
    assert (by_path.at, by_path.method) == ((Step(2, "Press"),), (Step(2, "Press"), Step("urn:acme", "Start")))
    by_name = point("Bool", "W", objectId="/2:Press", methodId="./nsu=urn:acme;Start")
    assert by_name.method == Step("urn:acme", "Start")
    written = point("Object", "W", **METHOD)
    assert (written.kind, written.writes) == (Kind.METHOD, True)


def test_events_and_conditions() -> None:
    events = point("Object", "R", **EVENTS, severity=500)
    assert (events.kind, events.event_type, events.severity) == (Kind.EVENTS, NodeRef(0, "i", "2041"), 500)
    condition = point("Object", "W", **CONDITION)
    assert (condition.kind, condition.condition, condition.at) == (Kind.CONDITION, "acknowledge", None)


@pytest.mark.parametrize(
    ("value_type", "read_write", "attributes", "says"),
    [
        ("Float64", "RW", {**NODE, "field": "X"}, "properties.readWrite: one field cannot be written alone"),
        ("Int32", "RW", METHOD, "properties.readWrite: a method is called by a read (R, with its arguments"),
        ("String", "R", EVENTS, "properties.valueType: events are Object (their fields by name), not String"),
        ("Object", "RW", EVENTS, "properties.readWrite: events are told by the server; make readWrite R"),
        ("Object", "R", EVENTS | {"subscribe": False}, "attributes.subscribe: events are told by the server and"),
        ("String", "W", CONDITION, "properties.valueType: what is said to an alarm is Object"),
        ("Object", "RW", CONDITION, "properties.readWrite: what is said to an alarm cannot be read; make readWrite W"),
        ("Int32", "R", METHOD | {"field": "X"}, "attributes.field: names a field of a structure that a node holds"),
        ("Int32", "R", {"nodeId": "Speed"}, "attributes.nodeId: expected a node id such as ns=2;s=Line1.Speed"),
        ("Bool", "W", METHOD | {"objectId": "/2:Press//2:Axis"}, "attributes.objectId: a name is empty, or an"),
        ("Bool", "W", METHOD | {"methodId": "./2:A/2:B"}, "attributes.methodId: expected one name after ./, that of"),
        ("Int32", "R", {"queueSize": 1}, "attributes.nodeId: is required: nodeId (ns=2;s=Line1.Speed) or"),
    ],
)  # fmt: skip
def test_what_cannot_be(value_type: str, read_write: str, attributes: dict[str, Any], says: str) -> None:
    found, problems = locate(resource("r", value_type, read_write, **attributes))
    assert found is None
    (problem,) = problems
    assert str(problem).startswith(says)


@pytest.mark.parametrize(
    ("value_type", "read_write", "attributes", "says"),
    [
        ("String", "R", NODE | {"deadband": 1}, "deadband: has no effect on String: it is for numbers"),
        ("Int32", "R", NODE | {"deadband": 1, "trigger": "status"}, "deadband: has no effect with trigger: status"),
        ("Int32", "R", METHOD | {"queueSize": 3}, "queueSize: has no effect on a method: only nodes are watched"),
        ("Object", "W", METHOD | {"inputMap": ["1"]}, "inputMap: has no effect: a method that is written takes its"),
        ("Int32", "R", NODE | {"inputMap": ["1"]}, "inputMap: has no effect: is for methods"),
        ("Int32", "R", NODE | {"severity": 3}, "severity: has no effect without eventType"),
        ("Int32", "R", NODE | {"queuSize": 3}, "queuSize: unknown key, ignored; did you mean queueSize?"),
    ],
)
def test_what_has_no_effect_is_a_warning(
    value_type: str, read_write: str, attributes: dict[str, Any], says: str
) -> None:
    found, _ = locate(resource("r", value_type, read_write, **attributes))
    assert found is not None
    (problem,) = said(value_type, read_write, **attributes)
    assert problem.startswith(f"attributes.{says}".replace("attributes.", "warning: attributes.", 1))
