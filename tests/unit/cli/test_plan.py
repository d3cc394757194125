"""`southgate plan`: exact bytes, sums, and what cannot fit."""

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

GOLDEN_TCP = """\
127.0.0.1:502 (example connection): 2.0% busy
  XY-MD02, every 1 s: Climate, Corrections, DeviceAddress
    FC3 holding registers 257-260              PDU 03 01 01 00 04   12 B out, 17 B in
    FC4 input registers 1-2                    PDU 04 00 01 00 02   12 B out, 13 B in
    2 requests, 54 bytes, 20.0 ms per cycle (answer 10 ms, assumed)
"""
GOLDEN_RTU = """\
/dev/ttyUSB0 (example connection): 7.4% busy
  XY-MD02, every 1 s: Climate, Corrections, DeviceAddress
    FC3 holding registers 257-260              PDU 03 01 01 00 04   8 B out, 13 B in, 29.2 ms on the line
    FC4 input registers 1-2                    PDU 04 00 01 00 02   8 B out, 9 B in, 25.0 ms on the line
    2 requests, 38 bytes, 74.2 ms per cycle (answer 10 ms, assumed)
"""
GOLDEN_OPCUA = """\
opc.tcp://127.0.0.1:4840 (example connection): 0.0% busy
  OPC-Energy-Meter-E3, every 1 s: Instantaneous, VoltageBetweenPhases, Energy
    Read 10 nodes                              257 B out, 256 B in
    1 request, 513 bytes, 10.0 ms per cycle (answer 10 ms, assumed); \
subscribed, so that this is not read unless the server wants it
"""


def test_a_shipped_profile_over_tcp(southgate: Run) -> None:
    """MBAP header 7 bytes, function, start, count; the answer 7 + function + length + data."""
    assert southgate("plan", "xy-md02") == (0, GOLDEN_TCP, "")


def test_a_shipped_profile_on_a_serial_line(southgate: Run) -> None:
    assert southgate("plan", "xy-md02", "--rtu") == (0, GOLDEN_RTU, "")


def test_a_profile_of_opc_ua_is_planned_by_its_own_protocol(southgate: Run) -> None:
    """22 resources are fields of 10 nodes; there are no bytes to show, as security changes them."""
    assert southgate("plan", "opc-energy-meter") == (0, GOLDEN_OPCUA, "")


@pytest.mark.parametrize(("baud", "silence_s"), [(1200, 35 / 1200), (9600, 35 / 9600), (38400, 0.00175)])
def test_time_on_a_serial_line(baud: int, silence_s: float, southgate: Run) -> None:
    """Ten bits a character at 8N1; after each frame 3.5 characters of silence, 1.75 ms above 19200 baud."""
    ran = southgate("plan", "xy-md02", "--rtu", "--baud", baud, "--answer-ms", 0, "--json")
    (line,) = ran.json["connections"]
    requests = line["polls"][0]["requests"]
    for request in requests:
        expected = (request["sent"] + request["received"]) * 10 / baud + 2 * silence_s
        assert request["line_s"] == pytest.approx(expected)
    assert line["polls"][0]["seconds"] == pytest.approx(sum(r["line_s"] for r in requests))
    assert line["polls"][0]["answer_from"] == "given"


def test_json_is_what_is_printed(southgate: Run) -> None:
    ran = southgate("plan", "xy-md02", "--json", "--answer-ms", "35")
    (line,) = ran.json["connections"]
    (poll,) = line["polls"]
    assert [request["pdu"] for request in poll["requests"]] == ["0301010004", "0400010002"]
    assert (poll["bytes_out"], poll["bytes_in"], poll["seconds"]) == (24, 30, pytest.approx(0.07))
    assert line["busy"] == pytest.approx(0.07)
    assert ran.json["problems"] == []


def test_what_cannot_fit_is_refused_with_by_how_much(southgate: Run) -> None:
    ran = southgate("plan", "eastron-sdm630", "--rtu", "--baud", 1200)
    assert ran.code == 2
    assert "/dev/ttyUSB0 (example connection): 216.3% busy" in ran.out
    assert ran.err == (
        "error: /dev/ttyUSB0: the polls of 1 device take 216% of the connection's time: 116% more than there is. "
        "Longer intervals would help: all 2.8 times as long (e.g. 2.8 s for Eastron-SDM630)\n"
    )


def test_what_is_tight_is_a_warning(southgate: Run) -> None:
    ran = southgate("plan", "xy-md02", "--rtu", "--interval", "80ms")
    assert ran.code == 0
    assert "warning: /dev/ttyUSB0: the polls of 1 device take 93%" in ran.err


PROFILE = """\
name: Pump
deviceResources:
  - name: Speed
    properties: {valueType: Uint16, readWrite: R, scal: 2}
    attributes: {primaryTable: HOLDING_REGISTERS, startingAddress: 40010, addressBase: 40001}
"""


def test_a_profile_of_ones_own_warns_of_unknown_keys(southgate: Run) -> None:
    Path("pump.yaml").write_text(PROFILE)
    ran = southgate("plan", "pump.yaml")
    assert ran.code == 0
    assert "PDU 03 00 09 00 01" in ran.out
    assert ran.err.startswith("pump.yaml:4: warning: deviceResources[0].properties.scal: unknown key 'scal'")
    assert "did you mean scale?" in ran.err
    strict = southgate("plan", "pump.yaml", "--strict")
    assert strict.code == 2
    assert "pump.yaml:4: error: " in strict.err


def test_every_mistake_of_a_profile_with_its_line(southgate: Run) -> None:
    text = PROFILE.replace("40010, addressBase: 40001", "70000").replace(", scal: 2", "")
    Path("pump.yaml").write_text(text + text.partition("Resources:\n")[2].replace("Speed", "Torque"))
    ran = southgate("plan", "pump.yaml")
    assert ran.code == 2
    assert [line.partition(": error: ")[0] for line in ran.err.splitlines()] == ["pump.yaml:5", "pump.yaml:8"]
    assert "is address 70000 on the wire (addressBase 0); addresses are 0 to 65535" in ran.err


DEVICES = """\
deviceList:
  - name: pump-1
    profileName: Pump
    protocols: {modbus-tcp: {Address: 10.0.0.9, UnitID: 3}}
    autoEvents: [{sourceName: Speed, interval: 500ms}]
"""


def test_a_device_list_with_a_profile_beside_its_folder(southgate: Run) -> None:
    Path("profiles").mkdir()
    Path("profiles/pump.yaml").write_text(PROFILE.replace(", scal: 2", ""))
    Path("devices").mkdir()
    Path("devices/pumps.yaml").write_text(DEVICES)
    ran = southgate("plan", "devices/pumps.yaml", "--answer-ms", 50)
    assert ran.err == ""
    assert ran.out.startswith("10.0.0.9:502: 10.0% busy\n  pump-1, every 0.5 s: Speed\n")
    whole = southgate("plan", ".", "--answer-ms", 50)
    assert whole.out == ran.out


def test_a_device_list_whose_profile_is_nowhere(southgate: Run) -> None:
    Path("pumps.yaml").write_text(DEVICES)
    ran = southgate("plan", "pumps.yaml")
    assert ran.code == 2
    assert ran.err.startswith("pumps.yaml:")
    assert "Pump" in ran.err


@pytest.mark.parametrize(
    ("name", "hint"), [("eastron-sdm63", "did you mean eastron-sdm630?"), ("nosuchthing", "there are abb-")]
)
def test_neither_a_file_nor_a_shipped_profile(name: str, hint: str, southgate: Run) -> None:
    ran = southgate("plan", name)
    assert ran.code == 2
    assert hint in ran.err
