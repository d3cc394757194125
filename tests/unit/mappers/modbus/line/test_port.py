"""Serial ports by name: what is plugged in is found by what does not change, or the sentence says what is there."""

import os
import re
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError, NotConnected
from mappers.modbus.line import port as module
from mappers.modbus.line.connection import reach
from mappers.modbus.line.port import Usb, find, name_of, parse, ports
from tests.support.usb import Machine
from tests.unit.mappers.modbus.build import serial_device


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(module, "TTYS", made.ttys)
    monkeypatch.setattr(module, "DEV", made.dev)
    return made


@pytest.mark.parametrize(
    ("text", "usb"),
    [
        ("usb:0403:6001", Usb("0403", "6001")),
        ("USB:1A86:7523", Usb("1a86", "7523")),
        ("usb:0403:6001:A50285BI", Usb("0403", "6001", "A50285BI")),
        ("usb:0403:6001:A5, 0 2:8#x", Usb("0403", "6001", "A5, 0 2:8#x")),
        ("usb:1a86:7523@1-1.4", Usb("1a86", "7523", "", "1-1.4")),
        ("usb:0403:6011:FT1@:1.2", Usb("0403", "6011", "FT1", "", ":1.2")),
        ("usb:0403:6011@3-2.1.4:1.2", Usb("0403", "6011", "", "3-2.1.4", ":1.2")),
        ("/dev/ttyUSB0", None),
    ],
)
def test_spellings(text: str, usb: Usb | None) -> None:
    assert parse(text) == usb
    if usb is not None:
        assert parse(str(usb)) == usb
        settings = reach(serial_device(text))[0]
        assert settings.key == str(usb)


@pytest.mark.parametrize(
    "text", ["usb:", "usb:403:6001", "usb:0403", "usb:0403:6001:", "usb:0403:6001@", "usb:0403:6001@x", "usb:ghij:0001"]
)
def test_what_is_no_name_is_an_error_of_the_device_file(text: str) -> None:
    with pytest.raises(ConfigError, match="expected usb:VENDOR:PRODUCT") as error:
        reach(serial_device(text))
    assert error.value.problems[0].where == "protocols.modbus-rtu.Address"


def test_found_wherever_it_is_plugged_in(machine: Machine) -> None:
    """T16: another tty number, another USB socket."""
    machine.plug("ttyUSB0", "0403:6001:A50285BI", "1-1")
    machine.plug("ttyACM0", "2341:0043", "1-3")
    machine.built_in("ttyS0")
    machine.built_in("ttyS1", uart=0)
    assert [str(port.path.name) for port in ports()] == ["ttyACM0", "ttyS0", "ttyUSB0"]
    assert find("usb:0403:6001:A50285BI") == str(machine.dev / "ttyUSB0")
    assert find("usb:2341:0043") == str(machine.dev / "ttyACM0")
    machine.unplug("ttyUSB0")
    with pytest.raises(NotConnected, match="no serial adapter 0403:6001 with the serial number A50285BI is plugged in"):
        find("usb:0403:6001:A50285BI")
    machine.plug("ttyUSB7", "0403:6001:A50285BI", "2-1.4")
    assert find("usb:0403:6001:A50285BI") == str(machine.dev / "ttyUSB7")
    assert find("usb:0403:6001@2-1.4") == str(machine.dev / "ttyUSB7")


def test_who_is_sought_and_what_is_there(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1a86:7523", "1-1.4")
    machine.built_in("ttyS0")
    with pytest.raises(NotConnected) as error:
        find("usb:0403:6011:FT1@2-1:1.3")
    assert str(error.value) == (
        "usb:0403:6011:FT1@2-1:1.3: no serial adapter 0403:6011 with the serial number FT1 in USB socket 2-1 "
        "with an interface 1.3 is plugged in. "
        "There is /dev/ttyS0, usb:1a86:7523 (/dev/ttyUSB0)".replace("/dev", str(machine.dev))
    )
    machine.unplug("ttyUSB0")
    with pytest.raises(NotConnected, match=r"There is .*ttyS0$"):
        find("usb:1a86:7523")


def test_without_ports_or_without_sys(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotConnected, match="There is no serial port at all"):
        find("usb:1a86:7523")
    monkeypatch.setattr(module, "TTYS", machine.ttys / "elsewhere")
    with pytest.raises(NotConnected, match=r"cannot be seen: there is no .*elsewhere"):
        find("usb:1a86:7523")


def test_two_that_fit_are_told_apart_by_their_sockets(machine: Machine) -> None:
    machine.plug("ttyUSB0", "1a86:7523", "1-1.3")
    machine.plug("ttyUSB1", "1a86:7523", "1-1.4")
    with pytest.raises(NotConnected) as error:
        find("usb:1a86:7523")
    assert "2 ports fit: usb:1a86:7523@1-1.3 (" in str(error.value)
    assert "usb:1a86:7523@1-1.4 (" in str(error.value)
    for port in ports():
        assert find(name_of(port, ports())) == str(port.path)


def test_channels_of_one_adapter_are_told_apart_wherever_it_is(machine: Machine) -> None:
    for number, channel in enumerate((":1.0", ":1.1", ":1.2", ":1.3")):
        machine.plug(f"ttyUSB{number}", "0403:6011:FT1", "1-2", channel=channel)
    assert [name_of(port, ports()) for port in ports()] == [f"usb:0403:6011:FT1@:1.{n}" for n in range(4)]
    machine.plug("ttyUSB9", "0403:6011:FT1", "1-3", channel=":1.0")
    assert name_of(ports()[0], ports()) == "usb:0403:6011:FT1@1-2:1.0"
    assert name_of(ports()[1], ports()) == "usb:0403:6011:FT1@:1.1"


def test_ports_that_nothing_tells_apart_have_no_name(machine: Machine) -> None:
    """An adapter with eight ports on one interface: /dev/serial/by-id has names for them."""
    machine.plug("ttyUSB0", "1a86:55d5", "1-2")
    machine.plug("ttyUSB10", "1a86:55d5", "1-2")
    assert [name_of(port, ports()) for port in ports()] == ["", ""]
    with pytest.raises(NotConnected, match=re.escape(f"2 ports fit: {machine.dev}/ttyUSB0, {machine.dev}/ttyUSB10.")):
        find("usb:1a86:55d5")


def test_this_machine_can_be_looked_at() -> None:
    for port in ports():
        assert os.fspath(port.path).startswith("/dev/")
