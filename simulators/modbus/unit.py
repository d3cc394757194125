"""One simulated Modbus device behind one unit id: what it holds, how that changes, and how it answers a request.

Requests and answers are PDUs (function code and data); framing is elsewhere. A request is answered in microseconds from
the bytes of the tables; values are worked out again when a request comes and `period` has passed, so that a device
nobody asks costs nothing.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pymodbus.pdu.utils import pack_bitstring, unpack_bitstring

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from mappers.modbus.address import Table
from simulators.behaviour import Behaviour, Echo
from simulators.defaults import behaviour_of
from simulators.modbus.faults import NONE, Faults, Hole
from simulators.modbus.identity import identity
from simulators.modbus.image import Image, Refused
from simulators.modbus.points import Point, point_of
from simulators.transform import allowed

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
_PAIR = struct.Struct(">HH")
_BY_FUNCTION = {table.function: table for table in Table}
_ADDRESSED = {
    **_BY_FUNCTION,
    **dict.fromkeys((5, 15), Table.COILS),
    **dict.fromkeys((6, 16, 22, 23), Table.HOLDING_REGISTERS),
}


class Unit:
    """A device made from its profile."""

    def __init__(
        self,
        profile: DeviceProfile,
        clock: Clock,
        behaviours: Mapping[str, Behaviour] | None = None,
        *,
        seed: int = 0,
        strict: bool = False,
        period: float = 0.2,
    ) -> None:
        """`behaviours` by resource name replace the defaults; `strict` refuses every address the profile does not name;
        values are worked out at most every `period` seconds. Raises ConfigError."""
        self.profile = profile
        self.faults: Faults = NONE
        self.max_registers = 125
        self.max_bits = 2000
        self.requests = 0
        self._holes: Sequence[Hole] = ()
        self._clock = clock
        self._start = clock.monotonic()
        self._period = period
        self._due = 0.0
        self.points = _points(profile)
        self.images = {
            table: Image(table, [p for p in self.points.values() if p.table == table], strict) for table in Table
        }
        self._live: dict[Point, Behaviour] = {}
        self._begin(behaviours or {}, seed)
        self._handlers: dict[int, Callable[[bytes], bytes]] = {
            1: self._read_bits, 2: self._read_bits, 3: self._read_registers, 4: self._read_registers,
            5: self._write_coil, 6: self._write_register, 15: self._write_coils, 16: self._write_registers,
            22: self._mask_write, 23: self._read_write, 43: partial(identity, profile),
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------------- values

    def set(self, resource: str, value: Any, raw: bool = False) -> None:
        """From now on the device holds this value, as people see it or, with `raw`, as it is on the wire. Raises
        ConfigError for an unknown resource, ValueError if the value does not fit."""
        point = self._point(resource)
        self.images[point.table].put(point, point.encode(value if raw else point.to_wire(value)))
        self._hold(point.table, point.address, point.count, point.bit)

    def get(self, resource: str, raw: bool = False) -> Any:
        """What the device would answer now."""
        self._refresh()
        point = self._point(resource)
        wire = point.decode(self.images[point.table].get(point))
        return wire if raw else point.to_people(wire)

    def behave(self, resource: str, behaviour: Behaviour) -> None:
        """Gives a resource another behaviour from now on."""
        point = self._point(resource)
        self._live[point] = behaviour
        self._put(point, behaviour)

    def _point(self, resource: str) -> Point:
        if resource not in self.points:
            raise ConfigError(f"{self.profile.name} has no resource {resource!r}; it has {', '.join(self.points)}")
        return self.points[resource]

    def _begin(self, behaviours: Mapping[str, Behaviour], seed: int) -> None:
        """The first resource that names an address moves it; further ones (a bit, another view) only show it."""
        for name in behaviours:
            self._point(name)
        taken: set[tuple[Table, int, int | None]] = set()
        for name, point in sorted(self.points.items(), key=lambda item: item[0] not in behaviours):
            own = {(point.table, address, bit) for address in range(point.address, point.end) for bit in _bits(point)}
            try:
                behaviour = behaviours.get(name) or behaviour_of(self.profile, point.resource, point, seed)
                if not own & taken:
                    self.behave(name, behaviour)
            except (ValueError, TypeError, ArithmeticError) as error:
                raise ConfigError(f"{name}: no value of its behaviour or default fits: {error}") from None
            taken |= own
        self._live = {point: behaviour for point, behaviour in self._live.items() if not isinstance(behaviour, Echo)}

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + self._period
        for point, behaviour in self._live.items():
            self._put(point, behaviour)

    def _put(self, point: Point, behaviour: Behaviour) -> None:
        wire = point.clamp(point.to_wire(behaviour(self._clock.monotonic() - self._start)))
        self.images[point.table].put(point, point.encode(wire))

    def _hold(self, table: Table, first: int, count: int, bit: int | None = None) -> None:
        for point in self.images[table].touched(first, count):
            if bit is None or point.bit in (None, bit):
                self._live.pop(point, None)

    # ------------------------------------------------------------------------------------------------------ requests

    def answer(self, pdu: bytes, holes: Sequence[Hole] = ()) -> bytes:
        """The response PDU, an exception response included; `holes` are those that this request meets."""
        self._holes = holes
        handler = self._handlers.get(pdu[0])
        try:
            if handler is None:
                raise Refused(ILLEGAL_FUNCTION)
            return handler(pdu)
        except Refused as no:
            return bytes((pdu[0] | 0x80, no.code))
        except (struct.error, IndexError):
            return bytes((pdu[0] | 0x80, ILLEGAL_VALUE))

    def has(self, pdu: bytes) -> bool:
        """Whether a resource stands at the first address of a request."""
        table = _ADDRESSED.get(pdu[0])
        return table is not None and bool(self.images[table].touched(int.from_bytes(pdu[1:3], "big"), 1))

    def overlaps(self, other: "Unit") -> bool:
        """Whether both have a resource at one address."""
        return any(other.images[p.table].touched(p.address, p.count) for p in self.points.values())

    def _image(self, table: Table, first: int, count: int) -> Image:
        image = self.images[table]
        image.check(first, count)
        if any(hole.touches(table, first, count) for hole in self._holes):
            raise Refused(ILLEGAL_ADDRESS)
        return image

    def _read(self, table: Table, first: int, count: int) -> bytes:
        if not 1 <= count <= (self.max_bits if table.bits else self.max_registers):
            raise Refused(ILLEGAL_VALUE)
        image = self._image(table, first, count)
        self._refresh()
        return image.read(first, count)

    def _read_bits(self, pdu: bytes) -> bytes:
        data = pack_bitstring(list(map(bool, self._read(_BY_FUNCTION[pdu[0]], *_PAIR.unpack(pdu[1:])))))
        return bytes((pdu[0], len(data))) + data

    def _read_registers(self, pdu: bytes) -> bytes:
        data = self._read(_BY_FUNCTION[pdu[0]], *_PAIR.unpack(pdu[1:]))
        return bytes((pdu[0], len(data))) + data

    def _write(self, table: Table, first: int, data: bytes, function: int) -> None:
        count = len(data) // (1 if table.bits else 2)
        image = self._image(table, first, count)
        touched = image.touched(first, count)
        points = [point for point in touched if point.writable]
        writable = {address for point in points for address in range(point.address, point.end)}
        if not points or any(not writable.issuperset(range(point.address, point.end)) for point in touched):
            raise Refused(ILLEGAL_ADDRESS)  # an address may be a state to read and a command to write
        if any(point.function not in (0, function) for point in points):
            raise Refused(ILLEGAL_FUNCTION)
        before = bytes(image.data)
        image.write(first, data)
        if not all(_allowed(point, image) for point in points):
            image.data[:] = before
            raise Refused(ILLEGAL_VALUE)
        self._hold(table, first, count)

    def _write_coil(self, pdu: bytes) -> bytes:
        first, value = _PAIR.unpack(pdu[1:])
        if value not in (0x0000, 0xFF00):
            raise Refused(ILLEGAL_VALUE)
        self._write(Table.COILS, first, bytes((value > 0,)), 5)
        return pdu

    def _write_register(self, pdu: bytes) -> bytes:
        first, _ = _PAIR.unpack(pdu[1:])
        self._write(Table.HOLDING_REGISTERS, first, pdu[3:5], 6)
        return pdu

    def _write_coils(self, pdu: bytes) -> bytes:
        first, count = _PAIR.unpack_from(pdu, 1)
        if not 1 <= count <= 1968 or pdu[5] != (count + 7) // 8 or len(pdu) != 6 + pdu[5]:
            raise Refused(ILLEGAL_VALUE)
        self._write(Table.COILS, first, bytes(unpack_bitstring(pdu[6:])[:count]), 15)
        return pdu[:5]

    def _write_registers(self, pdu: bytes) -> bytes:
        first, count = _PAIR.unpack_from(pdu, 1)
        if not 1 <= count <= 123 or pdu[5] != 2 * count or len(pdu) != 6 + pdu[5]:
            raise Refused(ILLEGAL_VALUE)
        self._write(Table.HOLDING_REGISTERS, first, pdu[6:], 16)
        return pdu[:5]

    def _mask_write(self, pdu: bytes) -> bytes:
        first, and_mask, or_mask = struct.unpack(">HHH", pdu[1:])
        old = int.from_bytes(self._read(Table.HOLDING_REGISTERS, first, 1), "big")
        new = (old & and_mask) | (or_mask & ~and_mask & 0xFFFF)
        self._write(Table.HOLDING_REGISTERS, first, new.to_bytes(2, "big"), 22)
        return pdu

    def _read_write(self, pdu: bytes) -> bytes:
        first, count, write_first, write_count = struct.unpack_from(">HHHH", pdu, 1)
        if not 1 <= write_count <= 121 or pdu[9] != 2 * write_count or len(pdu) != 10 + pdu[9]:
            raise Refused(ILLEGAL_VALUE)
        self._write(Table.HOLDING_REGISTERS, write_first, pdu[10:], 23)
        data = self._read(Table.HOLDING_REGISTERS, first, count)
        return bytes((pdu[0], len(data))) + data


def _points(profile: DeviceProfile) -> dict[str, Point]:
    points = {}
    for resource in profile.device_resources:
        try:
            points[resource.name] = point_of(resource, profile.compat)
        except ValueError as error:
            raise ConfigError(f"profile {profile.name} cannot be simulated: {error}") from None
    return points


def _bits(point: Point) -> list[int | None]:
    if point.table.bits:
        return [None]
    return list(range(16)) if point.bit is None else [point.bit]


def _allowed(point: Point, image: Image) -> bool:
    """Whether what the registers hold now is within the profile's minimum and maximum."""
    properties = point.resource.properties
    if properties.minimum is None and properties.maximum is None:
        return True
    try:
        return allowed(point.to_people(point.decode(image.get(point))), properties)
    except ValueError:
        return False
