"""Events and readings as EdgeX 4.x writes them: every scalar as text, floats in the shortest e-form.

A value that is not good has the tags `quality` (`bad`, `uncertain`), `qualityReason` and `qualityCode`, which EdgeX's
readers take for ordinary tags; without a value it is EdgeX's null reading (`value`, `binaryValue` and `objectValue`
are null).
"""

import base64
import math
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gateway.model.gojson import go_json
from gateway.model.ids import event_id
from gateway.model.profile import ValueType
from gateway.model.reading import GOOD, Event, Quality, Reading

API_VERSION = "v3"
_SINGLE = struct.Struct("f")


def event_json(
    event: Event, tags: Mapping[str, Any] | None = None, raw: bool = False, numeric: bool = False
) -> dict[str, Any]:
    """An event with all its readings; `tags` are the device's and win over the command's. `raw`: readings that the
    profile changes have the number of before as their tag `raw`, where it was kept. `numeric`: numbers are numbers,
    not text."""
    source = event.source
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "id": event_id(source.device, source.name, event.origin),
        "deviceName": source.device,
        "profileName": source.profile,
        "sourceName": source.name,
        "origin": event.origin,
        "readings": list(readings_json(event, numeric=numeric)),
    }
    if raw:
        for shown, reading in zip(body["readings"], event.readings(), strict=True):
            if _is_changed(reading):
                shown["tags"] = {**shown.get("tags", {}), "raw": _raw_text(reading.raw)}
    merged = {**source.tags, **(tags or {})}
    if merged:
        body["tags"] = dict(sorted(merged.items()))
    return body


def readings_json(event: Event, only: frozenset[str] | None = None, numeric: bool = False) -> Iterator[dict[str, Any]]:
    """The readings of an event, all or those of some resources."""
    for position, reading in enumerate(event.readings()):
        if only is None or reading.resource.name in only:
            identity = event_id(reading.device, event.source.name, event.origin, event.index(position) + 1)
            yield _reading_json(reading, identity, numeric)


def _reading_json(reading: Reading, identity: str, numeric: bool) -> dict[str, Any]:
    resource = reading.resource
    kind = shown_type(resource.properties.value_type, reading.value)
    body: dict[str, Any] = {
        "id": identity,
        "origin": reading.origin,
        "deviceName": reading.device,
        "resourceName": resource.name,
        "profileName": reading.profile,
        "valueType": kind.value,
    }
    if resource.properties.units:
        body["units"] = resource.properties.units
    tags = {**resource.tags, **quality_tags(reading.quality)}
    if tags:
        body["tags"] = dict(sorted(tags.items()))
    if numeric and _is_number(reading.value):
        return body | {"value": reading.value}
    return body | _value_json(kind, reading.value, resource.properties.media_type)


def _is_number(value: Any) -> bool:
    """One that JSON has a word for."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_changed(reading: Reading) -> bool:
    """By the profile: a number that was scaled, a text that stands for one; a float alone only gets its short form."""
    if reading.raw is None or reading.raw == reading.value:
        return False
    p = reading.resource.properties
    return isinstance(reading.value, str) or any((p.mask, p.shift, p.base, p.scale, p.offset))


def _raw_text(value: Any) -> str:
    return value if isinstance(value, str) else go_json(value).decode()


def quality_tags(quality: Quality) -> dict[str, str]:
    """Nothing when it is good."""
    if quality.level == GOOD.level:
        return {}
    named = {"quality": quality.level, "qualityReason": quality.reason, "qualityCode": quality.code}
    return {key: text for key, text in named.items() if text}


def _value_json(kind: ValueType, value: Any, media_type: str) -> dict[str, Any]:
    if value is None:
        return {"value": None, "binaryValue": None, "objectValue": None}
    if kind is ValueType.BINARY:
        body = {"binaryValue": base64.b64encode(value).decode()}
        return body | {"mediaType": media_type} if media_type else body
    if kind in (ValueType.OBJECT, ValueType.OBJECT_ARRAY):
        return {"objectValue": _finite(value)}
    return {"value": value_text(kind, value)}


def _finite(value: Any) -> Any:
    """An object as JSON can say it: a member that is no number (a device's NaN) is null, and the page is one."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown_type(declared: ValueType, value: Any) -> ValueType:
    """The type a reading has: an integer that a transform made fractional is a Float64, a mapped value a String."""
    if isinstance(value, float) and declared.is_integer:
        return ValueType.FLOAT64
    if isinstance(value, str):
        return ValueType.STRING
    return declared


def value_text(kind: ValueType, value: Any) -> str:
    """A scalar or an array as EdgeX's text."""
    if kind is ValueType.STRING_ARRAY:
        return go_json(value).decode()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_scalar_text(value_type_of_elements(kind), item) for item in value) + "]"
    return _scalar_text(kind, value)


def value_type_of_elements(kind: ValueType) -> ValueType:
    """`Float32Array` → `Float32`."""
    return ValueType(kind.value.removesuffix("Array"))


def _scalar_text(kind: ValueType, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind is ValueType.BOOL:
        return "true" if value else "false"
    if kind.is_float:
        return float_text(float(value), single=kind is ValueType.FLOAT32)
    return str(value)


def float_text(value: float, single: bool) -> str:
    """Go's `%e` with the fewest digits that read back: `1.5e+00`, `2.6529999e+01`."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    text = _shortest_single(value) if single else format(Decimal(repr(value)), "e")
    mantissa, _, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent) if mantissa.strip('-0') else 0:+03d}"


def _shortest_single(value: float) -> str:
    packed = _SINGLE.pack(value)
    texts = (f"{value:.{digits}e}" for digits in range(9))
    return next((t for t in texts if _fits(t, packed)), f"{value:.8e}")


def _fits(text: str, packed: bytes) -> bool:
    try:
        return _SINGLE.pack(float(text)) == packed
    except OverflowError:
        return False
