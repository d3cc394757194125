"""Protocol properties: EdgeX's, ours, and the ones that are not supported yet."""

from typing import Any

import pytest

from gateway.model.device import Device
from gateway.model.errors import ConfigError
from mappers.modbus.line.connection import Serial, Tcp, examine, reach
from mappers.shared.given import seconds
from tests.unit.mappers.modbus.build import device, serial_device


def test_a_tcp_device_as_edgex_writes_it() -> None:
    connection, unit = reach(device(Port="0x5DC", UnitID="255", Timeout="5", IdleTimeout="5"))
    assert connection.key == "127.0.0.1:1500"
    assert connection.settings == Tcp("127.0.0.1", 1500)
    assert (unit.id, unit.timeout, unit.max_registers, unit.max_bits, unit.max_gap) == (255, 5.0, 125, 2000, None)


def test_a_serial_device_as_edgex_writes_it() -> None:
    given = {"BaudRate": "19200", "DataBits": "8", "StopBits": "1", "Parity": "E", "Timeout": 2, "IdleTimeout": 5}
    connection, unit = reach(serial_device("/dev/ttyUSB0,19200,8,E,1", **given))
    assert connection.key == "/dev/ttyUSB0"
    assert connection.settings == Serial("/dev/ttyUSB0", 19200, 8, 1, "E")
    assert connection.settings.char_s == pytest.approx(11 / 19200)
    assert unit.timeout == 2.0


def test_what_each_unit_has_for_itself_does_not_part_a_connection() -> None:
    one, _ = reach(device(unit=1, Timeout=1, MaxRegisters=10, RequestDelay="5ms"))
    other, _ = reach(device(unit=2, Timeout="500ms", MaxGap=3))
    assert one == other
    apart, _ = reach(serial_device(unit=2, BaudRate=19200))
    assert apart.key == reach(serial_device())[0].key
    assert apart.settings != reach(serial_device())[0].settings


@pytest.mark.parametrize(
    ("written", "found"), [(1, 1.0), ("1", 1.0), (0.5, 0.5), ("500ms", 0.5), ("1m30s", 90.0), ("1.5", 1.5)]
)
def test_durations(written: Any, found: float) -> None:
    assert seconds(written) == found


@pytest.mark.parametrize(
    ("properties", "where", "says"),
    [
        ({"Port": 0}, "Port", "greater than or equal to 1, got 0"),
        ({"Port": 65536}, "Port", "got 65536"),
        ({"Port": "http"}, "Port", "expected a whole number, got 'http'"),
        ({"UnitID": 256}, "UnitID", "got 256"),
        ({"UnitID": None}, "UnitID", "is required"),
        ({"Address": ""}, "Address", "must not be empty"),
        ({"Timeout": "0"}, "Timeout", "expected 1ms to 10m"),
        ({"Timeout": "soon"}, "Timeout", "expected a duration such as 500ms"),
        ({"Timeout": "-1s"}, "Timeout", "must not be negative"),
        ({"MaxRegisters": 126}, "MaxRegisters", "got 126"),
        ({"MaxBits": 0}, "MaxBits", "got 0"),
        ({"Framing": "x"}, "Framing", "expected tcp, rtu or auto"),
        ({"CloseAfterCycle": "often"}, "CloseAfterCycle", "expected true or false"),
        ({"BusyRetries": 300}, "BusyRetries", "got 300"),
        ({"IdleTimeout": "soon"}, "IdleTimeout", "expected a duration"),
    ],
)
def test_errors_say_what_to_do(properties: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        reach(device(**properties))
    (problem,) = error.value.problems
    assert problem.where == f"protocols.modbus-tcp.{where}"
    assert says in problem.what


def test_serial_lines_have_their_own_errors() -> None:
    with pytest.raises(ConfigError, match="expected N, E or O"):
        reach(serial_device(Parity="Q"))


def _told(there: Device) -> list[str]:
    return [problem.severity for problem in examine(there)[1]]


@pytest.mark.parametrize("unit", range(256))
def test_every_unit_id_on_every_framing(unit: int) -> None:
    """Ask 15: 0 to 255. On Modbus TCP all are alike; on a line 0 is for all units, 248 to 255 are nobody's."""
    reached, problems = examine(device(unit=unit))
    assert (reached is not None and reached[1].id, problems) == (unit, [])
    assert reached is not None
    assert not reached[1].broadcast
    given = {"Address": "/dev/ttyS9", "UnitID": str(unit), "BaudRate": 9600, "Parity": "N"}
    on_ascii = Device.model_validate({"name": "d", "protocols": {"modbus-ascii": given}})
    for there in (serial_device(unit=unit), on_ascii, device(unit=unit, Framing="rtu")):
        found = reach(there)[1]
        assert (found.id, found.broadcast) == (unit, unit == 0)
        assert _told(there) == (["warning"] if unit > 247 else [])


def test_which_kind_of_unit_0_it_is_must_be_known() -> None:
    with pytest.raises(ConfigError, match="make Framing tcp or rtu"):
        reach(device(unit=0, Framing="auto"))
    assert _told(device(unit=255, Framing="auto")) == []


def test_ascii_is_a_serial_line_with_other_frames() -> None:
    given = {"Address": "/dev/ttyS9", "UnitID": 1, "BaudRate": 9600, "Parity": "E", "DataBits": 7}
    connection, _ = reach(Device.model_validate({"name": "d", "protocols": {"modbus-ascii": given}}))
    assert connection.settings == Serial("/dev/ttyS9", 9600, 7, 1, "E", framing="ascii")
    assert connection.settings.silence_s == 0.0


@pytest.mark.parametrize(("given", "seconds"), [("5", 5.0), ("1m30s", 90.0), (0, None), ("-1", None), (None, None)])
def test_an_idle_time_out_of_nought_or_less_is_never(given: Any, seconds: float | None) -> None:
    settings = reach(device(IdleTimeout=given))[0].settings
    assert isinstance(settings, Tcp)
    assert settings.idle_timeout == seconds
    assert settings == reach(device(IdleTimeout="9s"))[0].settings, "files for EdgeX differ here on one connection"


def test_two_protocols_at_once_are_refused() -> None:
    both = Device.model_validate({"name": "d", "protocols": {"modbus-rtu": {}, "modbus-tcp": {}}})
    with pytest.raises(ConfigError, match="exactly one of"):
        reach(both)


def test_notes_and_warnings_do_not_refuse() -> None:
    found, problems = examine(device(LinkRecoveryTimeout=5, Portt=1, CloseAfterCycle=False, BusyRetries=0))
    assert found is not None
    told = [(p.where.split(".")[-1], p.severity) for p in problems]
    assert told == [("Portt", "warning"), ("LinkRecoveryTimeout", "note")]
    assert "did you mean Port" in problems[0].what
