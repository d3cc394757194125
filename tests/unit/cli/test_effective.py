"""What a profile with parameters comes to, on the command line: `effective`, `plan`, `check`, `simulate`."""

from pathlib import Path

import pytest

from gateway.model.load import load_profile
from tests.unit.cli.conftest import Gateway, Run

PROFILE = """\
name: Multi
parameters:
  circuit: { valueType: Uint8, minimum: 1, maximum: 12, description: number of the circuit }
  ratio: { valueType: Float64, defaultValue: 1 }
deviceResources:
  - name: Current
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: $(1000 + 100 * (circuit - 1)) }
    properties: { valueType: Float32, readWrite: R, scale: $(ratio), units: A }
"""
DEVICE = """\
- name: {name}
  profileName: Multi
  protocols: {{ modbus-tcp: {{ Address: 10.0.0.1, Port: 502, UnitID: 1 }} }}
  autoEvents: [{{ sourceName: Current, interval: 1s }}]
  properties: {{ {own} }}
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    folder = tmp_path / "plant"
    for name in ("profiles", "devices"):
        (folder / name).mkdir(parents=True)
    (folder / "profiles" / "multi.yaml").write_text(PROFILE)
    one = DEVICE.format(name="one", own="parameters: { circuit: 1 }")
    two = DEVICE.format(name="two", own="parameters: { circuit: 2, ratio: 80 }, overrides: { Current: "
                                        "{ properties: { units: kA } } }")  # fmt: skip
    (folder / "devices" / "d.yaml").write_text(one + two)
    return folder


def test_the_effective_profile_of_a_folder(southgate: Run, plant: Path) -> None:
    ran = southgate("effective", "two", "--folder", plant)
    assert ran.code == 0
    assert ran.out.startswith("# Multi as it is for the device two: circuit 2 (device), ratio 80 (device)\n")
    assert "startingAddress: 1100  # $(1000 + 100 * (circuit - 1)): circuit 2 (device)\n" in ran.out
    assert "units: kA  # override of the device\n" in ran.out
    assert load_profile(ran.out, "x.yaml", strict=True).value.device_resources[0].properties.scale == 80
    asked = southgate("effective", "one", "--folder", plant, "--json").json
    assert asked["parameters"]["ratio"] == {"value": 1, "from": "default"}
    nobody = southgate("effective", "tow", "--folder", plant)
    assert nobody.code == 2
    assert f"there is no device tow in {plant}; did you mean two?" in nobody.err


def test_the_effective_profile_of_a_running_gateway(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/effective/a%20b", {"device": "a b", "yaml": "name: p\n"})
    assert southgate("effective", "a b", "--url", gateway.url).out == "name: p\n"


def test_plan_and_check_see_it(southgate: Run, plant: Path) -> None:
    assert "FC3 holding registers 1100-1101" in southgate("plan", plant).out
    assert "FC3 holding registers 1100-1101" in southgate("plan", plant / "devices" / "d.yaml").out
    assert southgate("check", plant, "--strict").code == 0
    path = plant / "devices" / "d.yaml"
    path.write_text(path.read_text().replace("circuit: 2", "circuit: 20"))
    ran = southgate("check", plant)
    assert ran.code == 2
    assert f"{path}:10: error: device two: properties.parameters.circuit: expected a whole number of 1 to 12" in ran.err


def test_a_profile_alone(southgate: Run, plant: Path) -> None:
    path = plant / "profiles" / "multi.yaml"
    ran = southgate("plan", path)
    assert ran.code == 2
    assert "--parameter circuit: is required by profile Multi (number of the circuit)" in ran.err
    assert "registers 1200-1201" in southgate("plan", path, "--parameter", "circuit=3").out
    assert "write it as NAME=VALUE" in southgate("plan", path, "--parameter", "circuit").err


def test_simulate(southgate: Run, plant: Path) -> None:
    path = plant / "profiles" / "multi.yaml"
    ran = southgate("simulate", path, "--for", "0.01")
    assert ran.code == 2
    assert "simulated device multi: parameters.circuit: is required by profile Multi" in ran.err
    given = ["--count", 2, "--parameter", "circuit=[1, 2]", "--parameter", "ratio=80", "--for", "1"]
    assert southgate("simulate", path, *given, "--devices", "devices/s.yaml").code == 0
    text = Path("devices/s.yaml").read_text()
    assert "circuit: 1\n      ratio: 80\n" in text
    assert "circuit: 2\n" in text
    uneven = southgate("simulate", path, "--parameter", "circuit=[1, 2]", "--for", "0.01")
    assert "parameters.circuit: 2 values for 1 devices" in uneven.err
    strange = southgate("simulate", path, "xy-md02", "--parameter", "circut=1", "--for", "0.01")
    assert "has no parameter circut; did you mean circuit?" in strange.err
