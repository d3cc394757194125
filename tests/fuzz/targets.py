"""What is fuzzed: each target takes any bytes; what it raises is a bug."""

import asyncio
import math
from collections.abc import Callable, Generator
from functools import lru_cache, partial
from typing import Any

from gateway.model.csvtext import MAX_BYTES, sheet
from gateway.model.device import Device
from gateway.model.devicecsv import WrongCell, columns, heading_score, name_in, plain, tree_of
from gateway.model.errors import CommandRejected, ConfigError, DeviceError, NoAnswer, Problem
from gateway.model.load import load_devices, load_profile
from gateway.model.profile import Compat
from mappers.modbus.codec import decoder, encode, positions
from mappers.modbus.discovery.identify import identify
from mappers.modbus.discovery.sunspec import placed, walk
from mappers.modbus.line.connection import reach
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import ModbusPlan, plan
from mappers.modbus.point import SUPPORTED, Point, locate
from tests.fuzz.farend import Talk, device
from tests.fuzz.script import Script
from tests.support.clock import MovingClock
from tests.unit.mappers.modbus.build import resource, source

Target = Callable[[bytes], None]
MOST_ASKED = 2000
_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


def frames(framing: str, data: bytes) -> None:
    """The whole wire and mapper on one framing."""
    with asyncio.Runner() as runner:
        runner.run(Talk(framing, Script(data)).run())


@lru_cache
def _planned() -> tuple[Device, ModbusPlan]:
    there = device("tcp")
    words = [*(resource(f"r{i}", "Uint16", 3 * i) for i in range(5)), resource("bit", "Bool", "90.3")]
    return there, plan(there, [source(*words)], {})


def answers(data: bytes) -> None:
    """A mapper that is given PDUs of any shape, in whole frames."""
    script = Script(data)
    there, made = _planned()
    mapper = ModbusMapper(reach(there)[0], MovingClock())
    given: list[bytes] = []

    async def ask(unit: int, pdu: bytes, timeout: float) -> bytes:
        given.append(_shaped(script, pdu))
        return given[-1]

    mapper._wire.ask = ask  # type: ignore[method-assign]
    while script:
        given.clear()
        try:
            if script.byte() & 1:
                _finished(mapper.write(made, {"r1": 7, "bit": True}))
                assert all(pdu[0] < 0x80 or pdu[1:] == b"\5" for pdu in given), given
            else:
                (event,) = _finished(mapper.read(made))
                came = b"".join(pdu[2:] for pdu in given if pdu[0] == 3)
                good = [v for i, v in enumerate(event.values[:5]) if i not in (event.quality or {})]
                assert all(v.to_bytes(2) in came for v in good)
        except (NoAnswer, DeviceError):
            continue


def _shaped(script: Script, pdu: bytes) -> bytes:
    """A right answer, one with another number of bytes, an exception, or anything; never empty and of the function,
    which the wire has seen to."""
    kind, function = script.below(6), pdu[0]
    count = 2 * int.from_bytes(pdu[3:5])
    if kind == 0:
        return bytes((function | 0x80,)) + script.take(script.below(4))
    if kind == 1:
        return bytes((function | script.byte() & 0x80,)) + script.take(script.below(60))
    if kind == 2:
        return bytes((function, script.byte())) + script.take(count)
    if function in (6, 16, 22):
        return pdu[:5]
    return bytes((function, count)) + script.take(count)


def _finished(work: Any) -> Any:
    """The result of a coroutine that need not wait for anything."""
    try:
        for _ in range(MOST_ASKED):
            work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the mapper does not end")


def decode(data: bytes) -> None:
    """Points of any kind in one block, and any bytes for it. What was decoded is encoded as it came."""
    script = Script(data)
    points = [point for _ in range(1 + script.below(4)) if (point := _point(script)) is not None]
    if not points:
        return
    start, end = min(p.address for p in points), max(p.end for p in points)
    held = tuple(sorted(points, key=lambda p: (p.address, p.size)))
    payload = script.take(-(-(end - start) // 8) if held[0].table.bits else 2 * (end - start))
    values, bad = decoder(start, held)(payload)
    assert len(values) == len(held)
    for at, (point, value) in enumerate(zip(held, values, strict=True)):
        assert (at in bad) == (value is None)
        if value is not None and not point.table.bits:
            _same_again(point, value, payload[2 * (point.address - start) :])


def _point(script: Script) -> Point | None:
    value_type = SUPPORTED[script.below(len(SUPPORTED))]
    more: dict[str, Any] = {"byteOrder": _ORDERS[script.below(4)]}
    raw = script.below(8)
    if raw < 4:
        more["rawType"] = ("Int16", "Uint16", "Int32", "BCD")[raw]
    if value_type.endswith("Array"):
        more["arrayLength"] = 1 + script.below(20)
    if value_type == "String":
        more["stringRegisterSize"] = 1 + script.below(20)
    address: Any = script.below(8)
    if value_type == "Bool" and script.byte() & 1:
        address = f"{address}.{script.below(16)}"
    return locate(resource("v", value_type, address, **more), Compat.NONE)[0]


def _same_again(point: Point, value: Any, data: bytes) -> None:
    """What was read can be written, and lies on the wire as it came; not for text (NULs fall away) and NaN."""
    numbers = value if isinstance(value, list) else [value]
    if point.wire == "String" or any(isinstance(n, float) and not math.isfinite(n) for n in numbers):
        return
    try:
        again = encode(point, value)
    except CommandRejected as error:
        raise AssertionError(f"{point} read {value}, which cannot be written: {error}") from None
    if point.wire == "Bool" and point.length is None:
        return  # the other bits of its register are not its own
    for at in positions(point):
        assert again[at] == data[at] or _lossy(point, value), (point, value, again, data)


def _lossy(point: Point, value: Any) -> bool:
    """Bits behind the last of a BoolArray are nobody's; -0.0 of an integer cannot be; 16 digits are more than a float
    holds."""
    numbers = value if isinstance(value, list) else [value]
    return point.wire == "Bool" or value == 0 or any(isinstance(n, float) and abs(n) > 2**53 for n in numbers)


def talks(start: Callable[[], Generator[bytes, bytes | None, Any]], check: Callable[[Any], None], data: bytes) -> None:
    """A talk that is answered with anything ends, and what it found can be shown."""
    script, talk = Script(data), start()
    try:
        request = next(talk)
        for _ in range(MOST_ASKED):
            request = talk.send(_reply(script, request))
    except StopIteration as end:
        check(end.value)
        return
    raise AssertionError("the talk does not end")


def _reply(script: Script, request: bytes) -> bytes | None:
    kind = script.below(4)
    if not script or kind == 0:
        return None
    if kind == 1:
        return script.take(script.below(40))
    if request[0] == 43:
        return request[:3] + script.take(script.below(40))
    size = 2 * int.from_bytes(request[3:5])
    marked = b"SunS" if kind == 2 else b""
    return bytes((request[0], size & 0xFF)) + (marked + script.take(size))[:size]


def _shown(found: Any) -> None:
    if found is not None:
        assert all(text.isprintable() for text in (found.text, *found.names))


def _placed(found: Any) -> None:
    for model in found.models if found is not None else ():
        for point in placed(model):
            point.raw(model)


def yaml(data: bytes) -> None:
    """Profiles and device lists: a ConfigError that names a line, or what is in them."""
    for load in (load_profile, load_devices):
        try:
            load(data, "fuzzed.yaml")
        except ConfigError as error:
            assert error.problems


def csv(data: bytes) -> None:
    """Tables of devices: problems that name a row, or rows."""
    assert len(data) <= MAX_BYTES
    try:
        found = sheet(data, "fuzzed.csv", heading_score, "name, profileName")
        head = columns(found.head)
    except ConfigError as error:
        assert error.problems
        return
    except WrongCell as wrong:
        assert str(wrong)
        return
    for row in found.rows():
        if isinstance(row, Problem):
            continue
        try:
            cells = plain(row.cells)
            name_in(cells, head)
            tree_of(cells, head, None)
        except WrongCell as wrong:
            assert str(wrong)


TARGETS: dict[str, Target] = {
    "tcp": partial(frames, "tcp"),
    "rtu": partial(frames, "rtu"),
    "ascii": partial(frames, "ascii"),
    "answers": answers,
    "decode": decode,
    "identify": partial(talks, identify, _shown),
    "sunspec": partial(talks, walk, _placed),
    "yaml": yaml,
    "csv": csv,
}
