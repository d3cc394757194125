"""A profile's parameters: what is wrong with how they are declared and used, and what a value of one must be."""

import keyword
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.model.device import at_least_1ms
from gateway.model.expression import MARK, Expression, Value, WrongExpression, inserted, pieces, written
from gateway.model.near import nearest
from gateway.model.profile import INTEGER_RANGE, DeviceProfile, Parameter, ValueType
from gateway.model.said import shown
from gateway.model.scalar import Plain, flag, literal_text

Path = tuple[str | int, ...]
FIXED = "; the names, types and directions of a profile are the same for all its devices"


def value_of(parameter: Parameter, given: Any) -> Value:
    """A value that somebody gave for it. Raises ValueError: what was expected, and what came."""
    found = _typed(parameter.value_type, given)
    low, high = limits(parameter)
    if found is None or (isinstance(found, float | int) and not low <= found <= high):
        raise ValueError(f"expected {expected(parameter)}, got {shown(given)}")
    if parameter.choices and found not in [_typed(parameter.value_type, one) for one in parameter.choices]:
        near = nearest(found, map(str, parameter.choices)) if isinstance(found, str) else ""
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"expected {expected(parameter)}, got {shown(given)}{hint}")
    return found


def limits(parameter: Parameter) -> tuple[float, float]:
    """Lowest and highest value of a number."""
    low, high = INTEGER_RANGE.get(parameter.value_type, (float("-inf"), float("inf")))
    low = low if parameter.minimum is None else max(low, parameter.minimum)
    return low, high if parameter.maximum is None else min(high, parameter.maximum)


def expected(parameter: Parameter) -> str:
    """`a whole number of 0 to 65535`, for people."""
    if parameter.choices:
        return f"one of {', '.join(literal_text(one) for one in parameter.choices)}"
    if parameter.value_type is ValueType.BOOL:
        return "true or false"
    if parameter.value_type is ValueType.STRING:
        return "text"
    low, high = limits(parameter)
    kind = "a whole number" if parameter.value_type.is_integer else "a number"
    if low == float("-inf"):
        return kind if high == float("inf") else f"{kind} of at most {written(high)}"
    return (
        f"{kind} of {written(low)} or more" if high == float("inf") else f"{kind} of {written(low)} to {written(high)}"
    )


def _typed(kind: ValueType, given: Any) -> Value | None:
    """None: not of the type."""
    if kind is ValueType.STRING:
        return literal_text(given) if isinstance(given, str | bool | int | float) else None
    if kind is ValueType.BOOL:
        found = flag(Plain(given)) if isinstance(given, str) else given
        return found if isinstance(found, bool) else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    if kind.is_float:
        return float(given) if abs(given) < 1e308 else None
    return int(given) if isinstance(given, int) or given.is_integer() else None


def references(tree: Any, path: Path = (), mark: str = MARK) -> Iterator[tuple[Path, str]]:
    """Every text with `$(` in a tree, with its place."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from references(value, (*path, key), mark)
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from references(value, (*path, index), mark)
    elif isinstance(tree, str) and mark in tree:
        yield path, tree


def wrong(profile: DeviceProfile, tree: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Where, what and how bad, of the declarations of a profile and of its references; `tree`: all of it beside the
    declarations."""
    for name, parameter in profile.parameters.items():
        path: Path = ("parameters", name)
        if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
            yield path, f"{name!r} cannot be used in a sum; a name is letters, digits and _, such as ct_ratio", "error"
        yield from (((*path, key), what, "error") for key, what in _declared(parameter))
    named, readable = set[str](), True
    for path, text in references(tree, mark="${"):
        yield path, f"{text[:60]}: a parameter is written $(name) here, in round brackets", "warning"
    for path, text in references(tree):
        try:
            found = expressions(text)
        except WrongExpression as error:
            yield path, str(error), "error"
            readable = False
            continue
        if found and not _may_differ(path):
            yield path, f"{text[:60]} cannot stand here{FIXED}", "error"
        for part in found:
            named.update(part.names)
            yield from ((path, what, "error") for what in misused(profile, part))
    for name in profile.parameters:
        if readable and name not in named:
            yield ("parameters", name), f"nothing in the profile uses $({name})", "warning"


def wrong_rates(profile: DeviceProfile) -> Iterator[tuple[Path, str]]:
    """Where and what, of intervals of a profile's autoEvents: references in a profile without parameters, and what is
    no duration with the defaults of its parameters."""
    for index, event in enumerate(profile.auto_events):
        path: Path = ("autoEvents", index, "interval")
        if MARK in event.interval and not profile.parameters:
            yield path, f"{event.interval[:60]}: the profile has no parameters; declare it there, or write a duration"
        elif MARK in event.interval:
            try:
                names = dict.fromkeys(name for part in expressions(event.interval) for name in part.names)
                known = {name: profile.parameters[name] for name in names}
                values = {name: value_of(one, one.default_value) for name, one in known.items()}
            except (ValueError, KeyError):
                continue  # no default, or it is wrong and named elsewhere
            try:
                rate(event.interval, values)
            except ValueError as error:
                yield path, f"with the defaults of its parameters: {error}"


def rate(interval: str, values: Mapping[str, Value]) -> str:
    """An interval of a profile with values for its references. Raises ValueError."""
    return at_least_1ms(literal_text(inserted(interval, values)))


def _declared(parameter: Parameter) -> Iterator[tuple[str, str]]:
    """Key and what is wrong with it."""
    low, high = limits(parameter)
    numeric = parameter.value_type not in (ValueType.BOOL, ValueType.STRING)
    if not numeric and (parameter.minimum, parameter.maximum) != (None, None):
        yield "valueType", f"{parameter.value_type} has neither minimum nor maximum"
    elif low > high:
        yield "minimum", f"no value lies between {written(low)} and {written(high)}"
    for choice in parameter.choices:
        if _typed(parameter.value_type, choice) is None:
            yield "choices", f"{shown(choice)} is no {parameter.value_type}"
    if parameter.default_value is not None:
        try:
            value_of(parameter, parameter.default_value)
        except ValueError as error:
            yield "defaultValue", str(error)


def expressions(text: str) -> list[Expression]:
    """Those in a text. Raises WrongExpression."""
    return [part for part in pieces(text) if isinstance(part, Expression)]


def misused(profile: DeviceProfile, part: Expression) -> Iterator[str]:
    """What is wrong with the names in an expression, in a profile that has parameters."""
    for name in part.names:
        parameter = profile.parameters.get(name)
        if parameter is None:
            near = nearest(name, profile.parameters)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(profile.parameters)}"
            yield f"$({part.text}): there is no parameter {name}; {hint}"
        elif not part.alone and not (parameter.value_type.is_integer or parameter.value_type.is_float):
            yield f"$({part.text}): {name} is a {parameter.value_type}, which cannot be part of a sum"


def _may_differ(path: Path) -> bool:
    """Whether a place may hold another value for every device."""
    if path[0] == "deviceResources":
        return path[2] in ("attributes", "tags", "description") or (
            path[2] == "properties" and path[3] not in ("valueType", "readWrite")
        )
    if path[0] == "autoEvents":
        return path[2] == "interval"
    return path[0] == "deviceCommands" and (path[2] == "tags" or path[-1] == "defaultValue" or "mappings" in path)
