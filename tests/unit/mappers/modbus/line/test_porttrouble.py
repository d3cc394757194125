"""A port that cannot be opened: the sentence says what is wrong and what to try. And one port has one owner."""

import asyncio
import errno
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import NoAnswer, NotConnected
from gateway.runtime.clock import SystemClock
from mappers.modbus.line import port as naming
from mappers.modbus.line import porttrouble
from mappers.modbus.line.connection import reach
from mappers.modbus.line.porttrouble import state, why
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import plan
from tests.support.usb import Machine
from tests.unit.mappers.modbus.build import resource, serial_device, source
from tests.unit.mappers.modbus.line.test_rtu import Line, good

NOBODY = 65534
HOLD = """import sys, fcntl
port = open(sys.argv[1], "rb+", 0)
fcntl.flock(port, fcntl.LOCK_EX)
open("/proc/self/comm", "w").write("mbpoll")
print(flush=True)
input()
"""
OPEN = "import os, sys; os.setuid(int(sys.argv[2])); os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)"


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line(good)
    yield made
    for end in (made.far, made._near):
        os.close(end)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "machine")
    monkeypatch.setattr(naming, "TTYS", made.ttys)
    monkeypatch.setattr(naming, "DEV", made.dev)
    return made


@pytest.fixture(autouse=True)
def _no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porttrouble, "CONTAINER", ())
    monkeypatch.delenv("container", raising=False)


@pytest.fixture(params=["podman", ""])
def container(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says so, and one that is known by a file."""
    monkeypatch.setenv("container", request.param)
    if not request.param:
        monkeypatch.setattr(porttrouble, "CONTAINER", (Path("/there/is/none"), Path("/")))


def mapper_of(address: str | Path, **properties: Any) -> ModbusMapper:
    return ModbusMapper(reach(serial_device(str(address), **properties))[0], SystemClock())


def open_files() -> set[str]:
    return {fd.name for fd in Path("/proc/self/fd").iterdir() if os.path.lexists(fd)}


async def refusal(address: str | Path) -> str:
    """Why it cannot be opened; nothing may stay open."""
    before = open_files()
    mapper = mapper_of(address)
    with pytest.raises(NotConnected) as error:
        await mapper.connect()
    await mapper.close()
    assert open_files() == before
    return str(error.value)


@asynccontextmanager
async def holding(path: str) -> AsyncIterator[int]:
    """Another program that has the port locked."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, path, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert program.stdout is not None
        await program.stdout.readline()
        yield program.pid
    finally:
        await program.communicate(b"\n")


async def value(mapper: ModbusMapper, address: str | Path, unit: int = 1) -> Any:
    there = serial_device(str(address), unit, Timeout="2s")
    return (await mapper.read(plan(there, [source(resource("r", "Uint16", 0))], {})))[0].values


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who is nobody, and in no group."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def for_the_group(path: str, mode: int) -> str:
    """Its group has these rights and its owner none, unless he is root. The group's name."""
    Path(path).chmod((0o600 if os.geteuid() == 0 else 0) | mode)
    return Path(path).group()


async def test_a_port_that_is_not_there(machine: Machine) -> None:
    machine.plug("ttyUSB1", "0403:6001:A1")
    path = machine.dev / "ttyUSB0"
    assert await refusal(path) == (
        f"{path}: there is no such port: is it plugged in? There is usb:0403:6001:A1 ({machine.dev}/ttyUSB1)"
    )


async def test_a_stable_path_that_leads_nowhere(machine: Machine, tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI-if00-port0"
    link.symlink_to(machine.dev / "ttyUSB0")
    assert f"it leads to {machine.dev}/ttyUSB0, which is not there: is it plugged in?" in await refusal(link)


async def test_what_a_container_lacks(machine: Machine, container: None) -> None:
    """T16: the exact flags."""
    machine.plug("ttyACM3", "2341:0043")
    assert await refusal("usb:2341:0043") == (
        f"usb:2341:0043: {machine.dev}/ttyACM3: it is plugged in, but there is no such file in this container. "
        "Start the container with -v /dev:/dev --device-cgroup-rule='c 166:* rw' "
        f"--group-add $(stat -c %g {machine.dev}/ttyACM3)"
    )
    said = await refusal(machine.dev / "ttyUSB0")
    assert "--device-cgroup-rule='c 188:* rw' --device-cgroup-rule='c 166:* rw'" in said
    forbidden = why(str(machine.dev / "ttyACM3"), PermissionError(errno.EPERM, "not permitted"))
    assert forbidden.startswith("this device is not allowed here. Start the container with -v /dev:/dev")
    assert "nothing behind it" in why("/dev/ttyACM3", OSError(errno.ENXIO, ""))


@pytest.mark.parametrize("path", ["/dev/null", "/"])
async def test_what_is_no_serial_port(path: str) -> None:
    assert (await refusal(path)).startswith(
        f"{path}: this is not a serial port. There is" if path == "/dev/null" else "/: Is a directory"
    )


async def test_no_permission_names_the_group(line: Line) -> None:
    group = for_the_group(line.path, 0o060)
    with without_rights():
        said = await refusal(line.path)
        assert said.startswith(f"{line.path}: no permission: it belongs to group {group}. Add who runs the gateway")
        assert f"usermod -aG {group} USER" in said
        assert "no permission" in state(line.path)
    for_the_group(line.path, 0)
    with without_rights():
        assert "not even its group may read and write it (" in await refusal(line.path)


async def test_no_permission_in_a_container(line: Line, container: None) -> None:
    for_the_group(line.path, 0o060)
    with without_rights():
        said = await refusal(line.path)
    major = os.major(os.fstat(line._near).st_rdev)
    assert said.endswith(
        f"Start the container with -v /dev:/dev --device-cgroup-rule='c {major}:* rw' "
        f"--group-add $(stat -c %g {line.path})"
    )


async def test_a_busy_port_names_the_program(line: Line) -> None:
    async with holding(line.path) as process:
        assert f"{line.path}: in use by mbpoll (process {process})" in await refusal(line.path)
        assert state(line.path) == f"in use by mbpoll (process {process})"
    mapper = mapper_of(line.path)
    await mapper.connect()
    await mapper.close()


async def test_who_cannot_be_seen_is_not_made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(porttrouble, "PROC", tmp_path)
    assert "in use by another program, which cannot be seen" in why("/dev/null", BlockingIOError(errno.EAGAIN, ""))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user, who is bound by TIOCEXCL")
async def test_nobody_opens_the_port_while_it_is_ours(line: Line) -> None:
    os.fchmod(line._near, 0o666)
    mapper = mapper_of(line.path)
    for answer in (1, 0):  # once while it is open, once when it is closed
        if answer:
            await mapper.connect()
        command = [sys.executable, "-c", OPEN, line.path, str(NOBODY)]
        done = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
        assert done.returncode == answer, done.stderr
        assert ("busy" in done.stderr) == bool(answer)
        await mapper.close()


async def test_one_port_under_two_names_has_one_owner(line: Line, machine: Machine, tmp_path: Path) -> None:
    machine.plug("ttyUSB0", "0403:6001:A1", node=Path(line.path))
    link = tmp_path / "by-id"
    link.symlink_to(machine.dev / "ttyUSB0")
    owner = mapper_of("usb:0403:6001:A1")
    await owner.connect()
    for other in (link, machine.dev / "ttyUSB0", "usb:0403:6001"):
        assert f"{other}: this is the same port as usb:0403:6001:A1 ({line.path})" in await refusal(other)
    await owner.close()
    mapper = mapper_of(link)
    await mapper.connect()
    await mapper.close()


async def test_found_again_under_another_name(machine: Machine) -> None:
    """T16: the lane connects again with the same mapper or a new one; either way the port is looked for anew."""
    first, second = Line(good), Line(lambda unit, pdu: good(7, pdu))
    first.start()
    second.start()
    machine.plug("ttyUSB0", "0403:6001:A1", "1-1", node=Path(first.path))
    mapper = mapper_of("usb:0403:6001:A1")
    await mapper.connect()
    assert await value(mapper, "usb:0403:6001:A1") == [1]
    before = len(open_files())
    machine.unplug("ttyUSB0")
    await first.stop()
    with pytest.raises(NotConnected):
        await value(mapper, "usb:0403:6001:A1")
    with pytest.raises(NotConnected, match="no serial adapter 0403:6001"):
        await mapper.connect()
    machine.plug("ttyUSB5", "0403:6001:A1", "2-1", node=Path(second.path))
    await mapper.connect()
    with pytest.raises(NoAnswer):  # it is the other one that answers: as unit 7
        await value(mapper, "usb:0403:6001:A1")
    assert len(open_files()) == before - 2  # both ends of the first line
    await mapper.close()
    await second.stop()


async def test_hung_up_amid_a_request_leaves_nothing_open() -> None:
    """Not connected at once, and the loop is not woken by a file that nobody reads."""
    before = open_files()
    line = Line(lambda unit, pdu: [])
    line.start()
    mapper = mapper_of(line.path)
    await mapper.connect()
    asking = asyncio.create_task(mapper._wire.ask(1, b"\x03\0\0\0\1", 60.0))
    async with asyncio.timeout(10):
        while not line.requests:  # noqa: ASYNC110  the far end is read by a callback
            await asyncio.sleep(0.001)
        await line.stop()
        with pytest.raises(NotConnected, match="connection was lost"):
            await asking
    assert open_files() == before
    assert not mapper._wire.up
    await mapper.close()


def test_ports_are_free_or_say_why(line: Line, machine: Machine) -> None:
    assert state(line.path) == "free"
    assert "no such port" in state(str(machine.dev / "ttyUSB0"))
    assert stat.S_ISCHR(Path(line.path).stat().st_mode)
