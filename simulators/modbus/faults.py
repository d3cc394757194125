"""What a simulated device may do wrong, on purpose. Set at run time: per unit and per port."""

from dataclasses import dataclass, fields, replace
from typing import Any

from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError
from mappers.modbus.address import Table

_HOLE_TABLES = {
    "holding": Table.HOLDING_REGISTERS,
    "input": Table.INPUT_REGISTERS,
    "coil": Table.COILS,
    "discrete": Table.DISCRETE_INPUTS,
}


@dataclass(frozen=True, slots=True)
class Hole:
    """Addresses that a device refuses (exception 2) though its neighbours answer."""

    table: Table
    first: int
    last: int

    def touches(self, table: Table, first: int, count: int) -> bool:
        return table == self.table and first <= self.last and first + count > self.first


@dataclass(frozen=True, slots=True)
class Faults:
    """All off by default. Where several are on, the first of this list wins: silence, drop, exception, holes."""

    silence: bool = False
    """Never answers."""
    drop: bool = False
    """Closes the connection instead of answering (on a serial line: stays silent)."""
    exception: int = 0
    """Answers with this exception code."""
    holes: tuple[Hole, ...] = ()
    delay: float = 0.0
    """Seconds before every answer, one answer at a time."""
    garbage: bool = False
    """Answers with bytes that are no Modbus frame."""
    wrong_unit: bool = False
    """Answers in the name of the next unit."""
    every: int = 1
    """Faults hit every n-th request only; 1 is all of them. A delay always applies."""


NONE = Faults()


def fault(text: str, faults: Faults = NONE) -> Faults:
    """`faults` with one more, as the command line says it: `silence`, `drop`, `garbage`, `wrong-unit`, `exception=4`,
    `delay=20ms`, `hole=holding:10-20` (holding, input, coil, discrete; `hole=10` is one holding register), `every=3`.
    Raises ConfigError listing what there is."""
    name, _, value = text.partition("=")
    try:
        if name in ("silence", "drop", "garbage", "wrong-unit") and value in ("", "true"):
            return change(faults, **{name.replace("-", "_"): True})
        if name in ("exception", "every"):
            return change(faults, **{name: _whole(value, 255 if name == "exception" else 10**9)})
        if name == "delay":
            return replace(faults, delay=_later(value))
        if name == "hole":
            return replace(faults, holes=(*faults.holes, hole(value)))
    except ValueError as error:
        raise ConfigError(f"the fault {text!r} is not understood: {error}") from None
    raise ConfigError(
        f"the fault {text!r} is not understood; there are silence, drop, garbage, wrong-unit, exception=CODE, "
        "delay=20ms, hole=holding:10-20 and every=N"
    )


def _whole(text: str, most: int) -> int:
    number = int(text)
    if not 0 < number <= most:
        raise ValueError(f"a number from 1 to {most} was expected")
    return number


def _later(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < 0:
        raise ValueError("nobody answers before being asked")
    return seconds


def hole(text: str) -> Hole:
    """`holding:10-20`, `input:7`, `10-20`. Raises ValueError."""
    table, colon, range_ = text.rpartition(":")
    if colon and table not in _HOLE_TABLES:
        raise ValueError(f"{table!r} is not one of {', '.join(_HOLE_TABLES)}")
    first, _, last = range_.partition("-")
    return Hole(_HOLE_TABLES[table or "holding"], int(first, 0), int(last or first, 0))


def change(faults: Faults, **changes: Any) -> Faults:
    """`faults` with some fields changed; holes may be text, as `hole` takes it. Raises ConfigError for unknown ones."""
    known = [field.name for field in fields(Faults)]
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise ConfigError(f"there is no fault {unknown[0]!r}; there are {', '.join(known)}")
    if "holes" in changes:
        changes["holes"] = tuple(hole(item) if isinstance(item, str) else item for item in changes["holes"])
    return replace(faults, **changes)
