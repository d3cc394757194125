"""Where a value is on an OPC UA server: a resource's attributes, EdgeX's (contract, section 6.2) and our own.

Pure text: nothing here knows a server or the library. Indexes of namespaces are a server's own and move when it starts
anew; a namespace given by its URI is looked up at every connection.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from gateway.model.errors import Problem
from gateway.model.scalar import literal_text
from mappers.shared.given import Flag, Whole, from_pydantic, one_of, seconds, unknown_keys

Namespace = int | str
"""An index, or a URI."""


class NodeRef(NamedTuple):
    """A node id as people write it (Part 6, 5.3.1.10): `ns=2;s=Line1.Speed`, `nsu=urn:acme:press;i=1001`, `i=2258`."""

    namespace: Namespace
    kind: Literal["i", "s", "g", "b"]
    identifier: str

    def __str__(self) -> str:
        return f"{_namespace_text(self.namespace)}{self.kind}={self.identifier}"


class Step(NamedTuple):
    """One name on a browse path."""

    namespace: Namespace
    name: str

    def __str__(self) -> str:
        prefix = f"nsu={self.namespace};" if isinstance(self.namespace, str) else f"{self.namespace}:"
        return ("" if self.namespace == 0 else prefix) + re.sub(r"([/&])", r"&\1", self.name)


At = NodeRef | tuple[Step, ...]
"""Where a node is: its id, or names from the Objects folder down."""


class Deadband(NamedTuple):
    """How far a value must move before the server tells (Part 4, 7.22.2)."""

    value: float
    percent: bool
    """Of the node's EURange; otherwise absolute."""


Trigger = Literal["status", "value", "timestamp"]
"""What makes the server tell: a new status; that or a new value (the default); that or a new source timestamp."""

_NODE = re.compile(r"(?:(?:ns=(\d{1,5})|nsu=([^;]+));)?([isgb])=(.+)", re.DOTALL)
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def node_ref(text: str) -> NodeRef:
    """Raises ValueError."""
    found = _NODE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a node id such as ns=2;s=Line1.Speed, nsu=urn:acme;i=1001 or i=2258, got {text!r}")
    index, uri, kind, identifier = found.groups()
    if kind == "i" and not (identifier.isascii() and identifier.isdigit() and int(identifier) < 2**32):
        raise ValueError(f"the identifier of {text!r} is numeric (i=), so a whole number below 2^32 was expected")
    if kind == "g" and not _GUID.fullmatch(identifier):
        raise ValueError(f"the identifier of {text!r} is a GUID (g=), such as 09087e75-8e5e-499b-954f-f2a9603db28a")
    if kind == "b" and not _BASE64.fullmatch(identifier):
        raise ValueError(f"the identifier of {text!r} is opaque (b=), so base64 was expected")
    if index is not None and int(index) > 65535:
        raise ValueError(f"the namespace index of {text!r} is out of range, 0 to 65535")
    return NodeRef(uri if uri is not None else int(index or 0), kind, identifier)  # type: ignore[arg-type]


def browse_path(text: str) -> tuple[Step, ...]:
    """`/2:Press/nsu=urn:acme:press;Speed`: names below the Objects folder, each with its namespace (none: 0); `&/` is
    a slash and `&&` an ampersand inside a name (Part 4, A.2). Raises ValueError."""
    rest = text.strip().removeprefix("/")
    steps = []
    while rest:
        step, rest = _step(rest, text)
        steps.append(step)
    if steps and steps[0] == Step(0, "Root"):
        steps.pop(0)
    if steps and steps[0] == Step(0, "Objects"):
        steps.pop(0)
    if not steps:
        raise ValueError(f"expected names from the Objects folder down, such as /2:Press/2:Speed, got {text!r}")
    return tuple(steps)


def _step(rest: str, text: str) -> tuple[Step, str]:
    namespace: Namespace = 0
    if rest.startswith("nsu="):
        uri, mark, rest = rest.removeprefix("nsu=").partition(";")
        if not mark or not uri:
            raise ValueError(f"nsu= wants a namespace URI that ends with a semicolon, in {text!r}")
        namespace = uri
    elif index := re.match(r"(\d{1,5}):", rest):
        namespace, rest = int(index[1]), rest[index.end() :]
    name = re.match(r"(?:[^/&]|&.)*", rest, re.DOTALL)
    assert name is not None
    left = rest[name.end() :]
    if not name[0] or (left and not left.startswith("/")):
        raise ValueError(f"a name is empty, or an & stands alone (&& is one), in {text!r}")
    return Step(namespace, re.sub(r"&(.)", r"\1", name[0])), left.removeprefix("/")


def path_text(steps: tuple[Step, ...]) -> str:
    """The reverse of `browse_path`."""
    return "".join(f"/{step}" for step in steps)


def _namespace_text(namespace: Namespace) -> str:
    if isinstance(namespace, str):
        return f"nsu={namespace};"
    return f"ns={namespace};" if namespace else ""


def _node(value: Any) -> NodeRef:
    return node_ref(literal_text(value))


def _path(value: Any) -> tuple[Step, ...]:
    return browse_path(literal_text(value))


def _at(value: Any) -> At:
    return _path(value) if literal_text(value).lstrip().startswith("/") else _node(value)


def _method(value: Any) -> At | Step:
    text = literal_text(value).strip()
    if not text.startswith("./"):
        return _at(value)
    try:
        (found,) = browse_path(text[1:])
    except ValueError:
        raise ValueError(
            f"expected one name after ./, that of the object's method, such as ./2:Reset, got {text!r}"
        ) from None
    return found


def _sampling(value: Any) -> float:
    """Nought: as fast as the server can."""
    return 0.0 if literal_text(value).strip() == "0" else seconds(value)


def _deadband(value: Any) -> Deadband:
    text = literal_text(value).strip()
    try:
        found = Deadband(float(text.removesuffix("%")), text.endswith("%"))
    except ValueError:
        found = Deadband(-1.0, percent=False)
    if not 0 <= found.value < float("inf") or (found.percent and found.value > 100):
        raise ValueError(f"expected a number such as 0.5, or a share of the range such as 2%, got {text!r}")
    return found


def _field(value: Any) -> tuple[str, ...]:
    parts = tuple(literal_text(value).strip().split("."))
    if not all(parts):
        raise ValueError(f"expected names of fields with dots between them, such as Position.X, got {value!r}")
    return parts


def _inputs(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("expected a list of values, one for each input argument")
    return tuple(literal_text(one) for one in value)


CONDITION_METHODS = ("acknowledge", "confirm", "addComment")


class Attributes(BaseModel):
    """A resource's `attributes`. A resource is a node (`nodeId` or `browsePath`), a method (`methodId` and `objectId`),
    the events of an object (a node and `eventType`), or what people say to an alarm (`condition`)."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore", arbitrary_types_allowed=True)

    node_id: Annotated[NodeRef, BeforeValidator(_node)] | None = None
    browse_path: Annotated[tuple[Step, ...], BeforeValidator(_path)] | None = None
    field: Annotated[tuple[str, ...], BeforeValidator(_field)] = ()
    """Which field of a structure, from the outside in."""
    subscribe: Flag = True
    """false: it is read at its interval instead."""
    sampling_interval: Annotated[float, BeforeValidator(_sampling)] | None = None
    """Seconds; none: the interval of its autoEvent."""
    queue_size: Annotated[Whole, Field(ge=1, le=10_000)] | None = None
    """Values the server keeps between two notifications; none: as many as fall into a publishing interval."""
    deadband: Annotated[Deadband, BeforeValidator(_deadband)] | None = None
    trigger: Annotated[Trigger, one_of(("status", "value", "timestamp"))] = "value"
    method_id: Annotated[At | Step, BeforeValidator(_method)] | None = None
    """As `object_id` a node id or, when it begins with a slash, a browse path; beginning with `./` the name that the
    object's method has."""
    object_id: Annotated[At, BeforeValidator(_at)] | None = None
    input_map: Annotated[tuple[str, ...], BeforeValidator(_inputs)] = ()
    """Texts of the input arguments when the method is called by a read, as EdgeX does."""
    event_type: Annotated[NodeRef, BeforeValidator(_node)] | None = None
    """Events of this type and its subtypes: `i=2041` all, `i=2915` alarms."""
    severity: Annotated[Whole, Field(ge=1, le=1000)] = 1
    """Events of at least this severity."""
    condition: Annotated[str, one_of(CONDITION_METHODS)] = ""
    """Writing says this to an alarm: acknowledge, confirm or addComment (Part 9, 5.7)."""


ATTRIBUTES = tuple(field.alias or name for name, field in Attributes.model_fields.items())
"""Every attribute name."""
OF_OPCUA = frozenset({"nodeId", "browsePath", "methodId", "objectId", "condition"})
"""Attribute names that only an OPC UA resource has."""


def attributes(given: Mapping[str, Any]) -> tuple[Attributes | None, list[Problem]]:
    """The attributes (None when there is an error) and everything wrong or doubtful, by key."""
    problems = unknown_keys(given, ATTRIBUTES, ignored=("urlRawQuery",))
    try:
        found = Attributes.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        return None, problems + from_pydantic(error, {})
    wrong = _together(found)
    return (None if wrong else found), problems + wrong


def _together(a: Attributes) -> list[Problem]:
    """What does not fit together."""
    is_node = a.node_id is not None or a.browse_path is not None
    if a.node_id is not None and a.browse_path is not None:
        return [Problem("browsePath", "nodeId and browsePath both say which node; leave one out")]
    if (a.method_id is None) != (a.object_id is None):
        missing = "objectId" if a.object_id is None else "methodId"
        return [Problem(missing, "a method is called on an object: methodId and objectId belong together")]
    kinds = is_node + (a.method_id is not None) + bool(a.condition)
    if kinds != 1:
        what = "is required: nodeId (ns=2;s=Line1.Speed) or browsePath; for a method methodId and objectId"
        return [Problem("nodeId", what if not kinds else "a resource is a node, a method or a condition: one of them")]
    if a.event_type is not None and not is_node:
        return [
            Problem("eventType", "events come from an object: name it with nodeId (i=2253 is the server) or browsePath")
        ]
    return []
