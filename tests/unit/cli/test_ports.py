"""`southgate ports`: names that last, and what stands in the way of opening."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mappers.modbus.discovery.discover import Line, jobs
from mappers.modbus.line import port as naming
from tests.support.usb import Machine
from tests.unit.cli.conftest import Run


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "machine")
    monkeypatch.setattr(naming, "TTYS", made.ttys)
    monkeypatch.setattr(naming, "DEV", made.dev)
    return made


@pytest.fixture
def pty() -> Iterator[Path]:
    ends = os.openpty()
    yield Path(os.ttyname(ends[1]))
    for end in ends:
        os.close(end)


def test_all_ports_with_their_names(machine: Machine, pty: Path, southgate: Run) -> None:
    machine.plug("ttyUSB0", "0403:6001:A50285BI", "1-1", node=pty)
    machine.plug("ttyUSB1", "1a86:7523", "1-2")
    machine.built_in("ttyS0")
    ran = southgate("ports", "--json")
    assert ran.code == 0
    assert [row["address"] for row in ran.json] == [
        f"{machine.dev}/ttyS0",
        "usb:0403:6001:A50285BI",
        "usb:1a86:7523",
    ]
    assert ran.json[1] == {
        "address": "usb:0403:6001:A50285BI",
        "path": f"{machine.dev}/ttyUSB0",
        "adapter": "Maker USB Serial",
        "state": "free",
    }
    assert ran.json[2]["state"].startswith("it is plugged in, but there is no such file")
    lines = southgate("ports").out.splitlines()
    assert lines[0].split() == ["ADDRESS", "PATH", "ADAPTER", "STATE"]
    assert len(lines) == 4


def test_one_address(machine: Machine, pty: Path, tmp_path: Path, southgate: Run) -> None:
    machine.plug("ttyUSB0", "0403:6001:A50285BI", "1-1", node=pty)
    link = tmp_path / "by-id"
    link.symlink_to(machine.dev / "ttyUSB0")
    one = southgate("ports", "usb:0403:6001", "--json").json
    assert [row["address"] for row in one] == ["usb:0403:6001:A50285BI"]
    assert southgate("ports", link, "--json").json == one
    absent = southgate("ports", "usb:1a86:7523")
    assert absent.code == 3
    assert "no serial adapter 1a86:7523 is plugged in. There is usb:0403:6001:A50285BI (" in absent.err
    wrong = southgate("ports", "usb:1a86")
    assert wrong.code == 2
    assert "expected usb:VENDOR:PRODUCT" in wrong.err


def test_no_ports(machine: Machine, southgate: Run) -> None:
    ran = southgate("ports")
    assert ran.code == 1
    assert "There is no serial port at all" in ran.err


def test_discover_takes_the_same_names(southgate: Run) -> None:
    (job,) = jobs(["usb:0403:6001:A50285BI"], "502", "1", Line("9600", "E"))
    assert job[0].shown == "usb:0403:6001:A50285BI 9600 8E1"
    assert southgate("discover", "modbus", "usb:0403").code == 2
