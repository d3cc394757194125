"""The scan itself, against peers that behave badly and against what serves many units."""

import asyncio
import struct
from collections.abc import Sequence
from pathlib import Path

from gateway.runtime.clock import SystemClock
from mappers.modbus.discovery.discover import Job, Line, jobs
from mappers.modbus.discovery.scan import Found, Manners, Scan, Turns
from simulators.library import find_profile
from simulators.world import World, serve
from tests.support.ports import free_port
from tests.unit.mappers.modbus.peer import Answer, Peer, frame, peer, registers
from tests.unit.mappers.modbus.talk import COMMON, END, at, holding

FAST = Manners(connects=1000, requests=1000, timeout=0.1, connect_timeout=1.0)


async def scanned(asked: Sequence[Job], manners: Manners = FAST) -> Scan:
    heard: list[Found] = []
    scan = Scan(manners, SystemClock(), [find_profile("eastron-sdm630")], heard.append)
    async with asyncio.timeout(20):
        await scan.run(asked)
    assert heard == scan.found
    assert scan.asked == sum(len(place.units) for job in asked for place in job)
    return scan


async def against(answer: Answer, units: str = "1", manners: Manners = FAST) -> tuple[Scan, Peer]:
    async with peer(answer) as made:
        return await scanned(jobs([f"127.0.0.1:{made.port}"], "502", units, Line()), manners), made


async def test_an_exception_is_an_answer() -> None:
    scan, _ = await against(lambda request: frame(request, bytes((request[7] | 0x80, 2))))
    (found,) = scan.found
    assert (found.answer, found.unit, found.complete) == ("exception 2 ILLEGAL DATA ADDRESS", 1, True)
    assert (found.identification, found.chain, found.suggestions) == (None, None, [])


async def test_a_gateway_that_says_nobody_is_there_is_no_device() -> None:
    def answer(request: bytes) -> bytes:
        return (
            registers(request, 0)
            if request[6] == 3 and request[7] == 3
            else frame(request, bytes((request[7] | 0x80, 11)))
        )

    scan, made = await against(answer, "1-5")
    assert [found.unit for found in scan.found] == [3]
    assert scan.gateways == {f"127.0.0.1:{made.port}": 4}


async def test_who_hangs_up_over_a_question_is_still_asked_the_others() -> None:
    """Some devices close the connection when they are asked what they do not know."""
    connections = 0

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                request = await reader.readexactly(6)
                request += await reader.readexactly(int.from_bytes(request[4:6]))
                if request[7] != 3:
                    break
                writer.write(registers(request, 7))
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        scan = await scanned(jobs([f"127.0.0.1:{port}"], "502", "1", Line()))
    finally:
        server.close()
        await server.wait_closed()
    assert [(f.answer, f.complete) for f in scan.found] == [("registers", True)]
    assert connections > 1


async def test_who_hangs_up_always_is_given_up() -> None:
    async with peer(lambda request: b"") as made:
        made.reset = True
        scan = await scanned(jobs([f"127.0.0.1:{made.port}"], "502", "1-100", Line()))
    assert len(made.requests) <= 3
    assert scan.found == []
    assert list(scan.unreachable) == [f"127.0.0.1:{made.port}"]


async def test_what_is_no_modbus_is_given_up() -> None:
    scan, made = await against(lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n", "1-100")
    assert scan.found == []
    assert len(made.requests) <= 5


async def test_nobody_there_and_nobody_answering() -> None:
    closed = free_port()
    async with peer(lambda request: b"") as silent:
        scan = await scanned(jobs([f"127.0.0.1:{closed}", f"127.0.0.1:{silent.port}"], "502", "1-3", Line()))
    assert list(scan.unreachable) == [f"127.0.0.1:{closed}"]
    assert scan.silent == [f"127.0.0.1:{silent.port}"]


async def test_likely_units_until_one_answers() -> None:
    def answer(request: bytes) -> bytes:
        return registers(request, 0) if request[6] == 0 else b""

    async with peer(answer) as made:
        scan = await scanned(jobs([f"127.0.0.1:{made.port}"], "502", "", Line()))
    assert [found.unit for found in scan.found] == [0]
    assert {request[6] for request in made.requests} == {1, 255, 0, 126}


async def test_a_converter_that_passes_rtu_frames_on_is_found_by_itself(tmp_path: Path) -> None:
    """It is silent to Modbus TCP; then the likely units of a serial line are asked in RTU frames."""
    (tmp_path / "world.yaml").write_text(
        "devices: [{profile: eastron-sdm630, unit: 2, framing: rtu, name: c}]", "utf-8"
    )
    async with serve(World.from_file(tmp_path / "world.yaml")) as running:
        scan = await scanned(jobs([running.devices["c"].address], "502", "", Line()))
    (found,) = scan.found
    assert (found.unit, found.place.properties["Framing"]) == (2, "rtu")
    assert (scan.silent, scan.unreachable) == ([], {})
    assert [s.profile for s in found.suggestions] == ["Eastron-SDM630"]


async def test_who_answers_in_tcp_frames_is_not_asked_in_others() -> None:
    scan, made = await against(lambda request: registers(request, 0), "1")
    assert [found.unit for found in scan.found] == [1]
    assert scan.asked == 2, "one in each framing, of which one need not be asked any more"
    assert all(request[2:4] == b"\0\0" for request in made.requests)


async def test_a_place_that_is_not_there_is_asked_once() -> None:
    closed = free_port()
    connects = Counting(SystemClock(), 1000)
    scan = Scan(FAST, SystemClock())
    scan.connects = connects
    await scan.run(jobs([f"127.0.0.1:{closed}"], "502", "1", Line()))
    assert connects.count == 1


class Counting(Turns):
    count = 0

    async def turn(self) -> None:
        self.count += 1
        await super().turn()


async def test_never_faster_than_asked_for() -> None:
    clock = SystemClock()
    times: list[float] = []

    def answer(request: bytes) -> bytes:
        times.append(clock.monotonic())
        return frame(request, bytes((request[7] | 0x80, 1)))

    async with peer(answer) as one, peer(answer) as two:
        asked = jobs([f"127.0.0.1:{one.port}", f"127.0.0.1:{two.port}"], "502", "1-2", Line())
        await scanned(asked, Manners(connects=1000, requests=100, timeout=1.0))
    assert len(times) > 15
    assert (len(times) - 1) / (max(times) - min(times)) < 110


async def test_an_identification_in_many_answers_over_the_wire() -> None:
    texts = [b"Eastron", b"SDM630-Modbus V2", b"V1.0", b"", b"Meter", b"SDM630", b""]

    def answer(request: bytes) -> bytes:
        if request[7] != 43:
            return registers(request, 0)
        code, at = request[9], request[10]
        last = 2 if code == 1 else 6
        more = bytes((0xFF, at + 1)) if at < last else b"\0\0"
        body = struct.pack(">BBBB", 43, 14, code, 0x82) + more + bytes((1, at, len(texts[at]))) + texts[at]
        return frame(request, body)

    scan, _ = await against(answer)
    (found,) = scan.found
    assert found.identification is not None
    assert found.identification.text == "Eastron SDM630-Modbus V2 V1.0"
    assert [s.profile for s in found.suggestions] == ["Eastron-SDM630"]


async def test_cancelled_it_keeps_what_it_has_and_closes_everything() -> None:
    async with serve(World.from_profiles(["eastron-sdm630"])) as running:
        port = int(running.devices["eastron-sdm630"].address.rpartition(":")[2])
        scan = Scan(FAST, SystemClock())
        task = asyncio.create_task(scan.run(jobs([f"127.0.0.1:{port}"], "502", "1-247", Line())))
        async with asyncio.timeout(10):
            while not scan.found:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [found.unit for found in scan.found] == [1]
    assert scan.asked < 247


async def test_a_line_that_does_not_take_a_setting_is_tried_with_the_next() -> None:
    """A pty has no parity."""
    async with serve(World.from_profiles(["eastron-sdm630"], rtu=True)) as running:
        path = running.devices["eastron-sdm630"].address
        scan = await scanned(jobs([path], "502", "1", Line("1200", "E,N")))
    assert list(scan.unreachable) == [f"{path} 1200 8E1"]
    assert "does not take these settings" in scan.unreachable[f"{path} 1200 8E1"]
    assert [(f.place.shown, f.suggestions[0].profile) for f in scan.found] == [(f"{path} 1200 8N1", "Eastron-SDM630")]


async def test_sunspec_at_a_unit_of_its_own_is_found_without_naming_it() -> None:
    unit = holding(at(40000, "SunS", *COMMON, *END))

    def answer(request: bytes) -> bytes:
        found = unit(request[7:]) if request[6] == 126 else bytes((request[7] | 0x80, 2))
        return frame(request, found or b"")

    async with peer(answer) as made:
        scan = await scanned(jobs([f"127.0.0.1:{made.port}"], "502", "", Line()))
    assert [(found.unit, found.chain is not None, found.complete) for found in scan.found] == [
        (1, False, True),
        (126, True, True),
    ]
