"""Raw values → values as people see them, compiled once per source; and what a resource's transform means for its type.

Order: mask, shift, base, scale, offset; then assertion; then mapping to text. Neutral values (0, 0, 0, 1, 0) are off.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model.errors import Problem
from gateway.model.profile import Compat, DeviceResource
from gateway.model.reading import NAN, OVERFLOW, Event, Quality, Source
from gateway.model.single import shortest, shortest_all
from gateway.runtime.transform import quirks, steps
from gateway.runtime.transform.affine import chain_of
from gateway.runtime.transform.gotext import go_text
from gateway.runtime.transform.steps import Step
from gateway.runtime.transform.towire import to_wire

__all__ = ["ASSERTION", "Transform", "check_transform", "compile_transform", "to_wire"]

STEPS = ("mask", "shift", "base", "scale", "offset")
NOTHING = (None,) * len(STEPS)
ASSERTION = "Assertion failed"
"""Begins the code beside quality `bad device` of a value that is not what the profile asserts; EdgeX's sentence."""


@dataclass(frozen=True, slots=True)
class _Late:
    """What happens to the finished value of one resource."""

    resource: str
    assertion: str
    mappings: Mapping[str, str]


class Transform:
    """Of one source; changes events in place."""

    __slots__ = ("_edgex", "_late", "_same", "_steps")

    def __init__(self, source: Source, edgex: bool) -> None:
        self._edgex = edgex
        made = quirks.step_of if edgex else steps.step_of
        found = [made(chain_of(resource.properties)) for resource in source.resources]
        self._steps = {index: step for index, step in enumerate(found) if step is not None}
        self._late = _late_of(source)
        same = set(found)
        self._same = found[0] if len(same) == 1 else None
        """The one step that all values take."""

    @property
    def neutral(self) -> bool:
        """Nothing is to be done, ever."""
        return not self._steps and not self._late

    def apply(self, event: Event) -> None:
        """Values become what people see; what has no place in its type is bad."""
        if self._same is not None and event.quality is None and self._all(event, self._same):
            pass
        elif self._steps:
            self._each(event)
        if self._late:
            self._finish(event)

    def _all(self, event: Event, step: Step) -> bool:
        try:
            event.values = shortest_all(event.values) if step is shortest else list(map(step, event.values))
        except (ArithmeticError, ValueError, TypeError):
            return False
        return True

    def _each(self, event: Event) -> None:
        values, known = event.values, self._steps
        found = known.items() if event.which is None else ((p, known.get(i)) for p, i in enumerate(event.which))
        for position, step in found:
            value = values[position]
            if step is None or value is None:
                continue
            try:
                values[position] = step(value)
            except (ArithmeticError, ValueError) as error:
                self._spoil(event, position, NAN if _no_number(value, error) else OVERFLOW)

    def _spoil(self, event: Event, position: int, quality: Quality) -> None:
        text = ("NaN" if quality is NAN else "overflow") if self._edgex else None
        event.values[position] = text
        event.quality = {**(event.quality or {}), position: quality}

    def _finish(self, event: Event) -> None:
        values, which = event.values, event.which
        for position in range(len(values)):
            late = self._late.get(position if which is None else which[position])
            if late is None or values[position] is None:
                continue
            text = go_text(values[position])
            if late.assertion and text != late.assertion:
                self._refute(
                    event, position, f"{ASSERTION} for DeviceResource {late.resource}, with value {text[:100]}"
                )
            elif text in late.mappings:
                values[position] = late.mappings[text]

    def _refute(self, event: Event, position: int, why: str) -> None:
        """EdgeX gives up the whole event, of which nothing is then to be believed."""
        bad = Quality("bad", "device", why)
        spoiled = range(len(event.values)) if self._edgex else (position,)
        for one in spoiled:
            event.values[one] = None
        event.quality = {**(event.quality or {}), **dict.fromkeys(spoiled, bad)}


def _late_of(source: Source) -> dict[int, _Late]:
    found = {}
    for index, resource in enumerate(source.resources):
        mappings = source.mappings[index] if source.mappings else {}
        if mappings or resource.properties.assertion:
            found[index] = _Late(resource.name, resource.properties.assertion, mappings)
    return found


def _no_number(value: object, error: Exception) -> bool:
    not_finite = isinstance(value, float) and value - value != 0
    return not_finite or (isinstance(value, list) and isinstance(error, ValueError | OverflowError))


def compile_transform(source: Source, compat: Compat = Compat.NONE) -> Transform | None:
    """None where values stay as the mapper gave them."""
    transform = Transform(source, compat is Compat.EDGEX)
    return None if transform.neutral else transform


def check_transform(resource: DeviceResource, compat: Compat = Compat.NONE) -> list[Problem]:
    """What somebody should know: integers that become Float64, keys without a meaning, a scale of 0. `where` is
    relative to the resource."""
    p = resource.properties
    if (p.mask, p.shift, p.base, p.scale, p.offset) == NOTHING:
        return []
    kind = p.value_type
    numeric = kind.is_integer or kind.is_float
    found = []
    meant = STEPS if kind.is_integer else STEPS[2:] if numeric else ("scale",) if p.scale == 1 else ()
    idle = [key for key in STEPS if getattr(p, key) and key not in meant]
    found += [_said(key, f"{key} means nothing for {kind.value} and is ignored", "warning") for key in idle]
    if p.mask and kind.is_integer and p.read_write.writable:
        what = "a write sets all bits outside the mask to 0; a resource of its own for each bit spares the others"
        found.append(_said("mask", what, "warning"))
    if p.scale == 0 and numeric:
        found.append(_said("scale", "scale 0 makes every value 0; remove it or write another", "warning"))
    if p.base and p.base < 0 and numeric:
        found.append(_said("base", "a negative base has no powers of fractions; use a positive one", "warning"))
    if steps.becomes_float(chain_of(p)):
        found.append(_said(*_fraction(resource, compat)))
    return found


def _fraction(resource: DeviceResource, compat: Compat) -> tuple[str, str, str]:
    p = resource.properties
    key = next(k for k, v in (("base", p.base), ("scale", p.scale), ("offset", p.offset)) if v and not v.is_integer())
    value, kind = getattr(p, key), p.value_type.value
    if compat is Compat.EDGEX:
        return key, f"EdgeX cuts {key} {value} to {int(value)} for {kind}; declare a Float type", "warning"
    return key, f"{key} {value} makes this {kind} fractional, so its readings are Float64", "note"


def _said(key: str, what: str, severity: str) -> Problem:
    return Problem(f"properties.{key}", what, severity=severity)
