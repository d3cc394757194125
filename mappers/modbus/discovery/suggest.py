"""Which of some profiles fit a unit: by the names it gives, and by what a few of their registers hold. Pure.

A register that cannot hold what the profile says speaks against it; one whose value lies where such a value usually is
speaks for it, the more the rarer that is by chance. Nought says nothing: much is off when it is found.
"""

import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.model.profile import Compat, DeviceProfile, DeviceResource
from mappers.modbus.address import Table
from mappers.modbus.codec import decoder
from mappers.modbus.discovery.identify import Talk
from mappers.modbus.point import Point, locate

MOST_PROBES = 4
"""Registers that are read for one profile."""
MOST_REQUESTS = 100
"""Requests for all profiles together: a device is not to be bothered."""
MOST_SILENT = 2
MOST_SUGGESTED = 5
ENOUGH = 4.0
"""Weight of what speaks for a profile that nothing else names, from two registers at least."""
DENORMAL = 1e-30


class Usual(NamedTuple):
    """Where a value can be, where it usually is, and what it weighs to find it there."""

    possible: tuple[float, float]
    usual: tuple[float, float]
    weight: float


UNITS: Mapping[str, Usual] = {
    "hz": Usual((0, 600), (45, 65), 3.0),
    "v": Usual((-1500, 1e5), (85, 480), 2.0),
    "°c": Usual((-100, 500), (5, 60), 1.0),
    "%": Usual((-200, 1000), (5, 100), 0.5),
    "a": Usual((-1e5, 1e5), (0.01, 200), 0.5),
    "w": Usual((-1e9, 1e9), (1, 1e6), 0.3),
    "kw": Usual((-1e6, 1e6), (0.001, 1e4), 0.3),
}
FLOAT = 1.5
"""Registers that are no float seldom make a sensible one: a float counts for more."""


class Verdict(Enum):
    FOR = 1
    NOTHING = 0
    AGAINST = -1


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A profile that may fit, and why."""

    profile: str
    sure: bool
    """The unit names maker and model of the profile itself."""
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """A register of a profile that tells something."""

    resource: DeviceResource
    point: Point
    weight: float


def fit(
    profiles: Iterable[DeviceProfile], maker: str, names: Sequence[str], sunspec: bool = False
) -> Talk[list[Suggestion]]:
    """The best first. `maker` and `names`: what the unit says of itself. When it names one of the profiles, or is
    SunSpec, the others are not tried."""
    named = [(profile, *by_name(profile, maker, names)) for profile in profiles]
    if any(sure for _, sure, _ in named) or sunspec:
        named = [one for one in named if one[1] or (sunspec and "sunspec" in one[0].labels)]
    reader, found = _Reader({}, set()), []
    for profile, sure, reasons in named:
        suggestion = yield from _judged(profile, sure, reasons, reader)
        found += [suggestion] if suggestion else []
    return sorted(found, key=lambda one: (-one.score, one.profile))[:MOST_SUGGESTED]


def by_name(profile: DeviceProfile, maker: str, names: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether the unit names maker and model of the profile, and what it names in words."""
    same_maker = _within(profile.manufacturer, [maker])
    same_model = _within(profile.model, names)
    if same_maker and same_model:
        return True, [f"it says that it is {same_maker} {same_model}"]
    return False, [f"it says {text}" for text in (same_maker, same_model) if text]


def _within(wanted: str, said: Sequence[str]) -> str:
    """Which of the texts names what is wanted: the one within the other, letters and digits only, short ones whole."""
    plain = _letters(wanted)
    for text in said:
        other = _letters(text)
        short = min(len(plain), len(other))
        if short and (plain == other or (short >= 4 and (plain in other or other in plain))):
            return text
    return ""


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.lower())


def probes(profile: DeviceProfile) -> list[Probe]:
    """The most telling registers, the best first, one for each unit before a second."""
    found: list[Probe] = []
    for resource in profile.device_resources:
        properties = resource.properties
        if not properties.read_write.readable or properties.mask or properties.shift or properties.base:
            continue
        point, _ = locate(resource, profile.compat or Compat.NONE)
        if point is None or point.table.bits or point.length is not None or point.bit is not None or point.size > 8:
            continue
        weight = _weight(resource, point)
        if weight:
            found.append(Probe(resource, point, weight))
    found.sort(key=lambda probe: -probe.weight)
    first = {probe.resource.properties.units: probe for probe in reversed(found)}
    ordered = [p for p in found if first[p.resource.properties.units] is p]
    ordered += [p for p in found if first[p.resource.properties.units] is not p]
    return ordered[:MOST_PROBES]


def _weight(resource: DeviceResource, point: Point) -> float:
    properties = resource.properties
    if point.wire in ("String", "Bool", "BCD"):
        return 0.0
    low, high = properties.minimum, properties.maximum
    if low is not None and high is not None and low > 0 and high - low <= 10:
        return 4.0 if low == high and low > 1000 else 1.0
    usual = UNITS.get(properties.units.lower())
    return 0.0 if usual is None else usual.weight * (FLOAT if point.wire.startswith("Float") else 1.0)


def judge(probe: Probe, data: bytes) -> tuple[Verdict, float]:
    """What the registers of a probe say about its profile, and the value they make."""
    raw = decoder(probe.point.address, (probe.point,))(data)[0][0]
    properties = probe.resource.properties
    value = float(raw) * (properties.scale or 1.0) + (properties.offset or 0.0)
    if not math.isfinite(value) or not raw:
        return Verdict.NOTHING, 0.0
    if abs(value) < DENORMAL:
        return Verdict.AGAINST, value
    low, high = properties.minimum, properties.maximum
    if low is not None and high is not None and not low <= value <= high:
        return Verdict.AGAINST, value
    usual = UNITS.get(properties.units.lower())
    if usual is None:
        return Verdict.FOR, value
    if not usual.possible[0] <= value <= usual.possible[1]:
        return Verdict.AGAINST, value
    return (Verdict.FOR if usual.usual[0] <= value <= usual.usual[1] else Verdict.NOTHING), value


def _judged(profile: DeviceProfile, sure: bool, reasons: list[str], reader: "_Reader") -> Talk[Suggestion | None]:
    score, telling = (20.0 if sure else float(len(reasons))), 0
    for probe in probes(profile):
        data = yield from reader.read(probe.point)
        if data is None:
            if reader.refused(probe.point) and not sure:
                return None
            continue
        verdict, value = judge(probe, data)
        number = f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
        shown = f"{probe.resource.name} reads {number} {probe.resource.properties.units}".rstrip()
        if verdict is Verdict.AGAINST:
            if not sure:
                return None
            reasons.append(f"but {shown}, which is odd")
        elif verdict is Verdict.FOR:
            score, telling = score + probe.weight, telling + 1
            reasons.append(shown)
    enough = sure or (telling > 1 and score >= ENOUGH)
    return Suggestion(profile.name, sure, score, tuple(reasons)) if enough else None


@dataclass(slots=True)
class _Reader:
    """Reads each place once, whatever profile asks for it, and asks nothing more of who has fallen silent."""

    answers: dict[bytes, bytes | None]
    unknown: set[Table]
    """Tables whose function the unit does not know."""
    silent: int = 0

    def read(self, point: Point) -> Talk[bytes | None]:
        """The registers; None: refused, silent, or not asked."""
        request = _request(point)
        if request not in self.answers:
            if point.table in self.unknown or self.silent >= MOST_SILENT or len(self.answers) >= MOST_REQUESTS:
                return None
            answer = yield request
            self.answers[request] = answer
            self.silent = 0 if answer is not None else self.silent + 1
            if answer is not None and answer[:2] == bytes((point.table.function | 0x80, 1)):
                self.unknown.add(point.table)
        answer = self.answers[request]
        size = 2 * point.size
        right = answer is not None and len(answer) == 2 + size and answer[1] == size
        return answer[2:] if right and answer is not None else None

    def refused(self, point: Point) -> bool:
        """Whether the unit says that there is nothing."""
        answer = self.answers.get(_request(point))
        return point.table in self.unknown or (answer is not None and bool(answer[0] & 0x80))


def _request(point: Point) -> bytes:
    return struct.pack(">BHH", point.table.function, point.address, point.size)
