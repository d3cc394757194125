"""InfluxDB's line protocol (InfluxDB 2 documentation, "Line protocol"): events → lines, one per event and source time.

Measurement, tags and field names of a source are written once and kept. A value that is not good has a text field
`NAME.quality` beside it, `bad timeout`; a bad value has that alone, since InfluxDB knows no null.
"""

import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.model.export.template import compiled, written
from gateway.model.profile import ValueType
from gateway.model.reading import GOOD, Event, OneTime, Quality, Source

_json = msgspec.json.Encoder().encode
_KEY = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ ", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\"})
_LARGEST = 2**63 - 1
_REMEMBERED = 20_000


class DoesNotFit(Exception):
    """A value that the line protocol cannot say."""


class _Series(NamedTuple):
    of: Source
    head: str
    """Measurement and tags, escaped, and a space."""
    fields: tuple[str, ...]
    """`NAME=` of every resource, escaped."""
    numbers: bool
    """Every resource is a number or a truth value."""


class Lines:
    """Writes events of any sources."""

    def __init__(self, measurement: str, tags: Mapping[str, str], gateway: str, floats: bool = False) -> None:
        self._measurement = compiled(measurement)
        self._tags = sorted((key, compiled(text)) for key, text in tags.items())
        self._gateway = gateway
        self._whole: Callable[[int], str] = _as_float if floats else _as_integer
        self._series: dict[int, _Series] = {}

    def of(self, event: Event) -> str:
        """The lines of an event, each with a line feed; empty when there is nothing to say. Raises DoesNotFit."""
        series = self._series.get(id(event.source)) or self._look(event.source)
        fields = series.fields if event.which is None else [series.fields[i] for i in event.which]
        if event.times is None and event.quality is None and series.numbers:
            said = self._numbers(fields, event.values)
            return f"{series.head}{said} {event.origin}\n" if said else ""
        if event.times is None or isinstance(event.times, OneTime):
            time = event.origin if event.times is None else event.times.time
            said = self._fields(fields, event, range(len(event.values)))
            return f"{series.head}{said} {time}\n" if said else ""
        by_time: dict[int, list[int]] = {}
        for at in range(len(event.values)):
            by_time.setdefault(event.times.get(at, event.origin), []).append(at)
        found = [(time, self._fields(fields, event, places)) for time, places in by_time.items()]
        return "".join(f"{series.head}{said} {time}\n" for time, said in found if said)

    def _numbers(self, fields: Sequence[str], values: Sequence[Any]) -> str:
        kinds = set(map(type, values))
        if kinds == {float}:
            said = ",".join([f"{f}{v!r}" for f, v in zip(fields, values, strict=True)])
            if "n" not in said or not _has_odd(values):
                return said
        elif kinds == {int} and self._whole is _as_integer and max(values) <= _LARGEST:
            return ",".join([f"{f}{v}i" for f, v in zip(fields, values, strict=True)])
        parts = ((f, self._value(v)) for f, v in zip(fields, values, strict=True))
        return ",".join([f + v for f, v in parts if v])

    def _fields(self, fields: Sequence[str], event: Event, places: Sequence[int]) -> str:
        parts: list[str] = []
        quality = event.quality or {}
        for at in places:
            told = quality.get(at, GOOD)
            value = "" if told.level == "bad" else self._value(event.values[at])
            if value:
                parts.append(fields[at] + value)
            if told.level != "good":
                parts.append(f'{fields[at][:-1]}.quality="{_quality(told)}"')
        return ",".join(parts)

    def _value(self, value: Any) -> str:
        """Empty: nothing to say."""
        kind = type(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else ""
        if kind is bool:
            return "true" if value else "false"
        if isinstance(value, int):
            return self._whole(value)
        if value is None:
            return ""
        if isinstance(value, float):
            return repr(float(value)) if math.isfinite(value) else ""
        if isinstance(value, bytes):
            return f'"{b64encode(value).decode()}"'
        text = value if isinstance(value, str) else _json(value).decode()
        return f'"{text.translate(_TEXT)}"'

    def _look(self, source: Source) -> _Series:
        if len(self._series) >= _REMEMBERED:
            self._series.clear()
        found = self._series[id(source)] = self._make(source)
        return found

    def _make(self, source: Source) -> _Series:
        words = {
            "gateway": self._gateway,
            "device": source.device,
            "profile": source.profile,
            "source": source.name,
        }
        measurement = written(self._measurement(words)).translate(_MEASUREMENT) or "southgate"
        if measurement.startswith("#"):  # else the line would be a comment
            measurement = "\\" + measurement
        tags = [(key, written(fill(words))) for key, fill in self._tags]
        head = measurement + "".join(f",{_key(key)}={_key(text)}" for key, text in tags if text)
        numbers = all(_is_number(one.properties.value_type) for one in source.resources)
        return _Series(source, f"{head} ", tuple(f"{_key(name)}=" for name in source.names), numbers)


def _is_number(kind: ValueType) -> bool:
    return kind.is_integer or kind.is_float or kind is ValueType.BOOL


def _has_odd(values: Sequence[float]) -> bool:
    return not all(map(math.isfinite, values))


def _key(text: str) -> str:
    """A tag's or field's name, or a tag's value. A backslash at its end would take the next sign for its own."""
    escaped = text.translate(_KEY)
    return escaped + "\\" * ((len(escaped) - len(escaped.rstrip("\\"))) % 2)


def _quality(quality: Quality) -> str:
    return " ".join(part for part in quality if part).translate(_TEXT)


def _as_integer(value: int) -> str:
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise DoesNotFit(f"{value} is larger than a whole number of InfluxDB; `integers: float` stores it rounded")
    return f"{value}i"


def _as_float(value: int) -> str:
    return repr(float(value))
