"""Values of nodes → values of resources: what `valueType` makes of what a server sends, worked out once a point.

Nothing is guessed: a number that has no place in the type is bad (overflow), a value of another sort is bad with words
for whoever wrote the profile. Floating point types take any number, rounded as such types do.
"""

import base64
import math
from collections.abc import Callable
from typing import Any

from asyncua import ua

from gateway.model.profile import INTEGER_RANGE, ValueType
from gateway.model.reading import NAN, OVERFLOW, Quality
from mappers.opcua.codec.natural import Misfit, clean, short, status_text
from mappers.opcua.codec.structure import Types

V = ua.VariantType
Fit = Callable[[Any], Any]
"""Plain Python → a value of a type. Raises Misfit; TypeError for another sort of value."""
INTEGERS = {
    V.SByte: "Int8", V.Byte: "Uint8", V.Int16: "Int16", V.UInt16: "Uint16", V.Int32: "Int32", V.UInt32: "Uint32",
    V.Int64: "Int64", V.UInt64: "Uint64",
}  # fmt: skip


NOTHING = Quality("bad", "device", "the node holds no value")


class Decode:
    """Of one point: what it makes of the variants of its node."""

    __slots__ = ("_elements", "_field", "_fit", "_kind", "_types", "passes")

    def __init__(self, kind: ValueType, field: tuple[str, ...], types: Types) -> None:
        self._kind = kind
        self._field = field
        self._types = types
        self._fit, self._elements = _fit_of(kind)
        self.passes = frozenset() if field else _passing(kind)
        """Types of single values that need no call: `Value` is ours as it stands."""

    def __call__(self, variant: ua.Variant | None) -> Any:
        """Raises Misfit. Faster without a call: see `passes`."""
        if variant is None or variant.VariantType is V.Null or (variant.Value is None and not variant.is_array):
            return self._nothing(variant)
        value = variant.Value
        if variant.is_array:
            if variant.VariantType in self._elements:
                return _flat(value or [])
        elif variant.VariantType in self.passes:
            return value
        elif isinstance(value, ua.DataValue) and not self._field and self._kind is not ValueType.OBJECT:
            return self(_good(value))
        if self._field:
            found = self._member(_parts(value, self._types))
        elif self._kind in (ValueType.OBJECT, ValueType.OBJECT_ARRAY):
            found = _object(self._kind, variant, self._types)
        elif variant.VariantType is V.StatusCode and ValueType(self._kind.removesuffix("Array")).is_integer:
            found = [one.value for one in _flat(value)] if variant.is_array else value.value
        else:
            found = _plain(variant, self._types)
        return self._fitting(found, variant)

    def _nothing(self, variant: ua.Variant | None) -> Any:
        """Null text and null bytes are the same as none (Part 6, 5.1.2)."""
        if not self._field and variant is not None:
            if variant.VariantType in (V.String, V.XmlElement) and self._kind is ValueType.STRING:
                return ""
            if variant.VariantType is V.ByteString and self._kind is ValueType.BINARY:
                return b""
        raise Misfit(NOTHING)

    def _member(self, value: Any) -> Any:
        for depth, name in enumerate(self._field):
            if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            elif isinstance(value, dict) and name in value:
                value = value[name]
            else:
                raise Misfit(Quality("bad", "config", _no_member(".".join(self._field[: depth + 1]), value)))
        return value

    def _fitting(self, value: Any, variant: ua.Variant) -> Any:
        try:
            return self._fit(value)
        except TypeError:
            said = f"{_words(value)} in {'.'.join(self._field)}" if self._field else _variant_words(variant)
            raise Misfit(_other(said, self._kind)) from None


def _good(value: ua.DataValue) -> ua.Variant | None:
    """Of a value inside a value."""
    if value.StatusCode is not None and value.StatusCode.is_bad():
        raise Misfit(Quality("bad", "device", status_text(value.StatusCode.value)))
    return value.Value


def _other(said: str, kind: ValueType) -> Quality:
    return Quality("bad", "config", f"the node holds {said}, the resource says {kind}")


def _no_member(path: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"there is no field {path}; here are {', '.join(map(str, value))[:200] or 'none'}"
    if isinstance(value, list):
        return f"there is no field {path}: here is a list of {len(value)}; a position is a number from 0"
    return f"there is no field {path}: here is {_words(value)}, no structure"


def _passing(kind: ValueType) -> frozenset[ua.VariantType]:
    if kind is ValueType.BOOL:
        return frozenset((V.Boolean,))
    if kind.is_float:
        return frozenset((V.Float, V.Double))
    if not kind.is_integer:
        return frozenset()
    low, high = INTEGER_RANGE[kind]
    ranges = {wire: INTEGER_RANGE[ValueType(name)] for wire, name in INTEGERS.items()}
    return frozenset(wire for wire, (lowest, highest) in ranges.items() if low <= lowest and highest <= high)


def _fit_of(kind: ValueType) -> tuple[Fit, frozenset[ua.VariantType]]:
    """And the types of elements that need none."""
    if kind in _ONE:
        return _ONE[kind], frozenset()
    element = ValueType(kind.removesuffix("Array"))
    one = _ONE.get(element) or (_float if element.is_float else _whole(*INTEGER_RANGE[element]))
    if element is kind:
        return one, frozenset()
    return lambda value: [one(each) for each in _flat(value)], _passing(element)


def _flat(value: Any) -> list[Any]:
    """Of several dimensions, in the order of the wire: the last one runs fastest. Bytes are a list of numbers."""
    if isinstance(value, bytes):
        return list(value)
    if not isinstance(value, list):
        raise TypeError
    while value and isinstance(value[0], list):
        value = [each for part in value for each in part]
    return list(value)


def _whole(low: int, high: int) -> Fit:
    def fit(value: Any) -> int:
        if isinstance(value, float):
            if not math.isfinite(value):
                raise Misfit(NAN if value != value else OVERFLOW)
            if not value.is_integer():
                raise Misfit(Quality("bad", "config", "the node holds a fraction, the resource says whole numbers"))
        elif not isinstance(value, int):
            raise TypeError
        found = int(value)
        if not low <= found <= high:
            raise Misfit(OVERFLOW)
        return found

    return fit


def _float(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, int):
        raise TypeError
    if value not in (0, 1):
        raise Misfit(OVERFLOW)
    return bool(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if not isinstance(value, int | float):
        raise TypeError
    return str(value)


def _binary(value: Any) -> bytes:
    """A list of Byte means the same as a ByteString (Part 4, 5.11.2)."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, list) and all(type(one) is int and 0 <= one <= 255 for one in value):
        return bytes(value)
    raise TypeError


def json_of(variant: ua.Variant, types: Types) -> Any:
    """A value of whatever type, as JSON can say it: what a method gives, by its name. Raises Misfit."""
    return _json(_plain(variant, types))


def _json(value: Any) -> Any:
    """What JSON can say: bytes as base64, what is no number as null."""
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def _json_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    found: dict[str, Any] = _json(value)
    return found


def _json_objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TypeError
    return [{} if one is None else _json_object(one) for one in _flat(value)]


_ONE: dict[ValueType, Fit] = {
    ValueType.BOOL: _bool,
    ValueType.STRING: _text,
    ValueType.BINARY: _binary,
    ValueType.OBJECT: _json_object,
    ValueType.OBJECT_ARRAY: _json_objects,
}


def _object(kind: ValueType, variant: ua.Variant, types: Types) -> Any:
    """A structure as it is; any other value as `{"Value": …}`, of several dimensions with its `Dimensions`."""
    value = variant.Value
    if kind is ValueType.OBJECT_ARRAY:
        return [_parts(one, types) for one in _flat(value or [])] if variant.is_array else value
    shaped = _parts(value, types)
    if shaped is None and not variant.is_array:
        raise Misfit(NOTHING)
    if isinstance(shaped, dict):
        return shaped
    plain = _plain(variant, types)
    if variant.Dimensions and len(variant.Dimensions) > 1:
        return {"Dimensions": list(variant.Dimensions), "Value": _flat(plain)}
    return {"Value": plain}


def _plain(variant: ua.Variant, types: Types) -> Any:
    found = types.natural([] if variant.Value is None else variant.Value)
    return short(found) if variant.VariantType is V.Float else found


def _parts(value: Any, types: Types) -> Any:
    """Texts with a language and names with an index have parts when an Object is wanted."""
    if isinstance(value, ua.LocalizedText):
        return {"Locale": clean(value.Locale or ""), "Text": clean(value.Text or "")}
    if isinstance(value, ua.QualifiedName):
        return {"NamespaceIndex": value.NamespaceIndex, "Name": clean(value.Name or "")}
    if isinstance(value, ua.StatusCode):
        return {"Code": value.value, "Symbol": status_text(value.value)}
    return types.natural(value)


def _variant_words(variant: ua.Variant) -> str:
    name = "structure" if variant.VariantType is V.ExtensionObject else variant.VariantType.name
    return f"an array of {name}" if variant.is_array else f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def _words(value: Any) -> str:
    """Of plain Python."""
    if isinstance(value, bool):
        return "true or false"
    if value is None:
        return "nothing"
    names = {int: "a whole number", float: "a number", str: "text", bytes: "bytes", dict: "a structure", list: "a list"}
    return names.get(type(value), type(value).__name__)
