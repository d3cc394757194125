"""What a simulated value does over time: pure functions of the time and a seed.

A `Behaviour` takes seconds since the simulation's start and returns the value as people see it (after scale and
offset). The same seed and time always give the same value, whenever and however often it is asked for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError

Behaviour = Callable[[float], Any]


def constant(value: Any) -> Behaviour:
    """Always the same."""
    return lambda _: value


def ramp(low: float, high: float, period: float) -> Behaviour:
    """Rises from `low` to `high` in `period` seconds, then starts over."""
    return lambda t: low + (high - low) * ((t / period) % 1.0)


def sine(low: float, high: float, period: float, phase: float = 0.0) -> Behaviour:
    """Swings between `low` and `high`; `phase` is a part of the period, 0 to 1."""
    middle, half = (low + high) / 2, (high - low) / 2
    return lambda t: middle + half * math.sin(2 * math.pi * (t / period + phase))


def walk(low: float, high: float, period: float, seed: int = 0) -> Behaviour:
    """Wanders at random between `low` and `high`, turning about once per `period` seconds."""

    def wander(t: float) -> float:
        whole = t / period
        slow = _between(whole, seed)
        quick = _between(7.3 * whole, seed + 1)
        return low + (high - low) * (0.8 * slow + 0.2 * quick)

    return wander


def counter(start: float, rate: float, step: float = 0.0) -> Behaviour:
    """Grows by `rate` a second and never falls; in whole multiples of `step` if that is given."""

    def count(t: float) -> float:
        grown = rate * t
        return start + (math.floor(grown / step) * step if step else grown)

    return count


def toggle(period: float, phase: float = 0.0) -> Behaviour:
    """True for half of every period."""
    return lambda t: (t / period + phase) % 1.0 < 0.5


def steps(values: Sequence[Any], period: float) -> Behaviour:
    """One value after the other, each for `period` seconds, over and over."""
    return lambda t: values[int(t / period) % len(values)]


class Echo:
    """Not a function of time: the value stays what was last written, from the wire or by `set`; first `start`."""

    def __init__(self, start: Any) -> None:
        self.start = start

    def __call__(self, _: float) -> Any:
        return self.start


def echo(start: Any = 0) -> Behaviour:
    """A written value stays; `start` until then."""
    return Echo(start)


KINDS: Mapping[str, Callable[..., Behaviour]] = {
    "constant": constant, "ramp": ramp, "sine": sine, "walk": walk, "counter": counter, "toggle": toggle,
    "steps": steps, "echo": echo,
}  # fmt: skip


def parse(spec: Any, where: str = "") -> Behaviour:
    """A behaviour as a world file says it: a mapping of one kind to its arguments (`{sine: {low: 0, high: 9, period:
    60s}}`), or a bare value, which is a constant. Raises ConfigError listing the kinds."""
    if not isinstance(spec, dict):
        return constant(spec)
    if len(spec) != 1 or next(iter(spec)) not in KINDS:
        raise ConfigError(f"{where}: a behaviour is one of {', '.join(KINDS)} with its arguments, not {spec!r}")
    kind, arguments = next(iter(spec.items()))
    if not isinstance(arguments, dict):
        arguments = {"value" if kind == "constant" else "start": arguments}
    try:
        made = KINDS[kind](**{key: _argument(key, value) for key, value in arguments.items()})
        made(0.0)
    except (TypeError, ValueError, ZeroDivisionError, IndexError) as error:
        raise ConfigError(f"{where}: {kind} does not work with {arguments!r}: {error}") from None
    return made


def _argument(key: str, value: Any) -> Any:
    return parse_duration(value) if key == "period" and isinstance(value, str) else value


def _between(x: float, seed: int) -> float:
    """Smooth noise in 0..1 through one random point per whole `x`."""
    left = math.floor(x)
    part = x - left
    eased = part * part * (3 - 2 * part)
    a = _random(left, seed)
    return a + (_random(left + 1, seed) - a) * eased


def _random(index: int, seed: int) -> float:
    """A fixed number in 0..1 for every index and seed (an integer hash: multiply and shift)."""
    mixed = (index * 0x9E3779B97F4A7C15 + seed * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 31)) / 2**64
