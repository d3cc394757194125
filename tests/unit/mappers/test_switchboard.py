"""Which mapper owns a device, and profiles of protocols that are not spoken here."""

import importlib.util
import subprocess
import sys
from typing import Any

import pytest

from gateway.model.device import Device
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from mappers import LINES, Line, Switchboard


def device(service: str = "", *keys: str) -> Device:
    return Device.model_validate({"name": "d", "serviceName": service, "protocols": {key: {} for key in keys}})


def profile(**attributes: Any) -> DeviceProfile:
    properties = {"valueType": "Uint16", "readWrite": "R"}
    resource = {"name": "r", "properties": properties, "attributes": attributes}
    return DeviceProfile.model_validate({"name": "p", "deviceResources": [resource]})


def test_service_name_or_alias_or_key() -> None:
    board = Switchboard({"modbus-hall-3": "device-modbus"})
    modbus = board.by_service("device-modbus")
    assert modbus.service == "device-modbus"
    assert board.of(device("device-modbus")) is modbus
    assert board.of(device("modbus-hall-3")) is modbus
    for key in modbus.keys:
        assert board.of(device("", key)) is modbus
    assert board.of(device("", "modbus-tcp", "other")) is modbus
    assert board.services() == ["device-modbus", "device-opcua", "device-virtual"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (device("device-modbuss"), "did you mean device-modbus"),
        (
            device("device-nothing"),
            "no device service 'device-nothing' here. This gateway hosts: device-modbus, device-opcua",
        ),
        (device("", "BLE"), "no mapper for its protocols \\(BLE\\); known keys are modbus-tcp, modbus-rtu"),
        (device(""), "protocols \\(none\\)"),
    ],
)
def test_unknown_is_an_error_that_lists_the_choices(given: Device, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Switchboard().of(given)


def test_ambiguous_is_an_error_that_lists_the_choices() -> None:
    lines = (*LINES, Line("device-other", "mappers.modbus", ("other",), "other", ()))
    with pytest.raises(ConfigError, match="belong to device-modbus, device-other; set serviceName"):
        Switchboard(lines=lines).of(device("", "modbus-tcp", "other"))


def test_a_missing_extra_names_the_command() -> None:
    lines = (Line("device-far", "mappers.far", ("far",), "far", ("a_module_nobody_has",)),)
    assert importlib.util.find_spec("a_module_nobody_has") is None
    with pytest.raises(ConfigError, match=r'pip install "southgate\[far\]"'):
        Switchboard(lines=lines).of(device("", "far"))


def test_a_profile_of_another_protocol_is_a_note() -> None:
    (problem,) = Switchboard().check(profile(characteristicUuid="2a6e"))
    assert problem.severity == "note"
    assert Switchboard().check(profile(primaryTable="COILS")) != []
    assert {p.severity for p in Switchboard().check(profile(startingAdress=1, primaryTable="X"))} == {
        "error",
        "warning",
    }
    assert Switchboard().check(profile()) == []


def test_a_profile_seems_to_be_of_the_protocol_that_knows_its_attributes() -> None:
    board = Switchboard()
    assert board.seems(profile(primaryTable="COILS", startingAddress=0)) == "device-modbus"
    assert board.seems(profile(nodeId="i=2258")) == "device-opcua"
    assert board.seems(profile(characteristicUuid="2a19")) == ""


def test_packages_are_loaded_on_first_need_and_libraries_with_the_first_connection() -> None:
    program = (
        "import sys, mappers\n"
        "b = mappers.Switchboard(); assert 'mappers.modbus' not in sys.modules\n"
        "b.by_service('device-modbus'); assert 'mappers.modbus' in sys.modules\n"
        "assert not any(m.split('.')[0] in ('pymodbus', 'serial') for m in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
