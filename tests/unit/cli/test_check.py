"""`southgate check`: everything is read and planned, nothing is connected to."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from datastore.state import SqliteState
from gateway.runtime.clock import SystemClock
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_plan import DEVICES, PROFILE

ROOT = Path(__file__).parents[3]


@pytest.fixture
def plant(southgate: Run) -> Path:
    """Settings, a profile and a device in the current folder."""
    Path("profiles").mkdir()
    Path("profiles/pump.yaml").write_text(PROFILE)
    Path("devices").mkdir()
    Path("devices/pumps.yaml").write_text(DEVICES)
    Path("gateway.yaml").write_text("gateway: {name: plant-7}\n")
    return Path.cwd()


def test_all_of_it_can_run(southgate: Run, plant: Path) -> None:
    ran = southgate("check")
    assert ran.code == 0
    assert ran.out == "1 device, 1 poll, 1 request: can run\n"
    assert ran.err.startswith(f"{plant}/profiles/pump.yaml:4: warning: deviceResources[0].properties.scal: ")
    assert southgate("check", plant).out == ran.out
    assert southgate("check", plant / "gateway.yaml").out == ran.out


def test_every_problem_is_told_once(plant: Path) -> None:
    """In a process of its own: what is logged must not be said a second time."""
    command = [sys.executable, "-m", "gateway", "check", str(plant)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert len(ran.stderr.splitlines()) == 1
    assert "did you mean scale?" in ran.stderr


@pytest.mark.parametrize("asked", ["plan eastron-sdm630 --json", "decode 17254"])
def test_a_pipe_that_nobody_reads_is_no_error(asked: str) -> None:
    """Also when all that is said fits into the buffer and only leaves at the end."""
    command = f"{sys.executable} -m gateway {asked} | true; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_strict(southgate: Run, plant: Path) -> None:
    ran = southgate("check", "--strict")
    assert ran.code == 2
    assert f"{plant}/profiles/pump.yaml:4: error: " in ran.err


def test_json(southgate: Run, plant: Path) -> None:
    ran = southgate("check", "--json")
    assert ran.json["ok"] is True
    assert ran.json["devices"] == ["pump-1"]
    (problem,) = ran.json["problems"]
    assert f"{plant}/profiles/pump.yaml:4: warning: " in problem
    Path("gateway.yaml").write_text("gateway: {nam: plant-7}\n")
    ran = southgate("check", "--json")
    assert (ran.code, ran.json["ok"]) == (2, False)
    assert "did you mean name?" in ran.json["problems"][0]


def test_every_problem_of_every_file_at_once(southgate: Run, plant: Path) -> None:
    Path("profiles/second.yaml").write_text(PROFILE.replace("Pump", "Second").replace("Uint16", "Uint17"))
    Path("devices/more.yaml").write_text(DEVICES.replace("pump-1", "pump-2").replace("Speed", "Sped"))
    ran = southgate("check")
    assert ran.code == 2
    assert f"{plant}/profiles/second.yaml:4: error: " in ran.err
    assert f"{plant}/devices/more.yaml:5: error: device pump-2: autoEvents[0].sourceName: " in ran.err
    assert "did you mean Speed?" in ran.err


def test_settings_that_mean_nothing(southgate: Run, plant: Path) -> None:
    Path("gateway.yaml").write_text(
        "gateway:\n  name: plant-7\njournal:\n  comit: 1s\ncloud:\n  mqtt:\n    url: mqtt://broker.example\n"
    )
    ran = southgate("check")
    assert ran.code == 2
    assert "gateway.yaml:4: error: journal.comit: unknown key 'comit'; did you mean commit?" in ran.err
    assert "gateway.yaml:" in ran.err.splitlines()[1]
    assert "is not encrypted" in ran.err


def test_a_line_that_is_too_slow(southgate: Run, plant: Path) -> None:
    Path("devices/pumps.yaml").write_text(DEVICES.replace("500ms", "8ms"))
    ran = southgate("check")
    assert ran.code == 0
    assert "take 125% of the connection's time: 25% more than there is, if an answer takes 10 ms" in ran.err
    (plant / "data").mkdir()
    asyncio.run(learn(plant / "data", {"pump-1": {"answer_ms": 10.0}}))
    ran = southgate("check")
    assert ran.code == 2
    assert "take 125% of the connection's time: 25% more than there is. " in ran.err
    assert "cannot run" in ran.out
    assert "(answer 10 ms, learned)" in southgate("plan", plant).out


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("api: {token_file: nowhere/token}", "api.token_file"),
        ("api: {token_file: short}", "must hold at least 16 characters"),
        ("cloud: {mqtt: {url: 'mqtts://b.example', ca_file: nowhere/ca.pem}}", "cloud.mqtt.ca_file: "),
        ("cloud: {mqtt: {url: 'mqtts://b.example', user: u, password_file: none}}", "cloud.mqtt.password_file: "),
    ],
)
def test_a_secret_that_is_not_there(settings: str, said: str, southgate: Run, plant: Path) -> None:
    Path("short").write_text("abc")
    Path("gateway.yaml").write_text(settings)
    Path("devices/more.yaml").write_text("deviceList: [{name: x, profileName: nosuch}]")
    ran = southgate("check")
    assert ran.code == 2
    assert said in ran.err
    assert "there is no device profile 'nosuch'" in ran.err, "everything at once"
    Path("devices/more.yaml").unlink()
    ran = southgate("check")
    assert (ran.code, "cannot run" in ran.out) == (2, True)
    assert said in ran.err


def test_a_folder_that_gateway_yaml_names_and_that_is_not_there(southgate: Run, plant: Path) -> None:
    Path("gateway.yaml").write_text("gateway: {name: plant-7, profiles: [profiles, nowhere/], devices: nodev}\n")
    ran = southgate("check")
    assert ran.code == 0
    assert f"warning: gateway.profiles: there is no folder {plant}/nowhere" in ran.err
    assert f"warning: gateway.devices: there is no folder {plant}/nodev" in ran.err
    assert f"there is no folder {plant}/profiles" not in ran.err


def test_folders_that_nobody_named_need_not_be_there(southgate: Run, tmp_path: Path) -> None:
    Path("gateway.yaml").write_text("gateway: {name: plant-7}\n")
    assert southgate("check") == (0, "0 devices, 0 polls, 0 requests: can run\n", "")
    (tmp_path / "empty").mkdir()
    assert southgate("check", tmp_path / "empty") == (0, "0 devices, 0 polls, 0 requests: can run\n", "")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{when: x}", "rules[0].kind: is required"),
        ("{name: x, kind: stuck, of: pump-1/Nothing, for: 1m}", "rule x: device pump-1 has no resource Nothing"),
        ("{name: x, kind: stuck, of: nobody/Speed, for: 1m}", "rule x: there is no device nobody"),
        ("{name: x, kind: score, of: {s: pump-1/Speed}, model: m.onnx}", "rule x: model: there is no file"),
    ],
)
def test_a_rule_that_names_nothing_is_wrong(rule: str, said: str, southgate: Run, plant: Path) -> None:
    Path("gateway.yaml").write_text(f"rules: [{rule}]")
    ran = southgate("check")
    assert ran.code == 2
    assert said in ran.err


def test_a_retention_is_not_silently_ignored(southgate: Run, plant: Path) -> None:
    wanted = DEVICES.replace("interval: 500ms", "interval: 500ms, retention: {duration: 48h}")
    assert wanted != DEVICES
    Path("devices/pumps.yaml").write_text(wanted)
    ran = southgate("check")
    assert ran.code == 0
    assert "pumps.yaml:5: note: device pump-1: autoEvents[0].retention: is followed by the history" in ran.err
    Path("devices/pumps.yaml").write_text(wanted.replace("48h", '""'))
    assert ".retention:" not in southgate("check").err, "as EdgeX writes it where nobody asked for one"


async def learn(data: Path, facts: dict[str, dict[str, float]]) -> None:
    """What a gateway that ran here wrote down."""
    state = SqliteState(data / "state.db", SystemClock())
    await state.open()
    await state.put("facts", facts)
    await state.close()


def test_nothing_there(southgate: Run) -> None:
    ran = southgate("check")
    assert ran.code == 2
    assert ran.err == "error: gateway.yaml is neither a file nor a folder\n"


def test_it_connects_to_nothing(southgate: Run, plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("check must not connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert southgate("check").code == 0
    assert sorted(p.name for p in plant.iterdir()) == ["devices", "gateway.yaml", "profiles"]


def test_compat_edgex_of_the_gateway_reaches_the_protocol(southgate: Run, plant: Path) -> None:
    """EdgeX reads an unquoted 10.3 as bit 30 of register 10, which there is not."""
    bit = "  - {name: Bit, properties: {valueType: Bool, readWrite: R}, attributes: "
    where = "{primaryTable: HOLDING_REGISTERS, startingAddress: 10.3}}\n"
    Path("profiles/bits.yaml").write_text(f"name: bits\ndeviceResources:\n{bit}{where}")
    device = DEVICES.replace("pump-1", "bits-1").replace("profileName: Pump", "profileName: bits")
    Path("devices/bits.yaml").write_text(device.split("    autoEvents")[0])
    assert southgate("check").code == 0
    Path("gateway.yaml").write_text("gateway: {name: plant-7, compat: edgex}\n")
    ran = southgate("check")
    assert ran.code == 2
    assert "bit 30 of a register does not exist" in ran.err


def test_files_that_an_opcua_device_names_and_that_are_not_there(southgate: Run, plant: Path) -> None:
    """A warning each: a secret may come later, and nobody gets in without it."""
    Path("profiles/press.yaml").write_text(
        "name: Press\ndeviceResources:\n  - name: Speed\n    attributes: {nodeId: ns=2;s=Speed}\n"
        "    properties: {valueType: Float64, readWrite: R}\n"
    )
    users = {
        "press-1": "UserName: otto, PasswordFile: secrets/otto",
        "press-2": "Certificate: users/otto.der, PrivateKey: users/otto.pem",
    }
    devices = [
        f"  - name: {name}\n    profileName: Press\n    serviceName: device-opcua\n"
        f"    protocols: {{opcua: {{Endpoint: 'opc.tcp://{name}:4840', {who}}}}}\n"
        for name, who in users.items()
    ]
    Path("devices/press.yaml").write_text("deviceList:\n" + "".join(devices))
    ran = southgate("check")
    assert ran.code == 0
    said = ran.out + ran.err
    for key, file in (
        ("PasswordFile", "secrets/otto"),
        ("Certificate", "users/otto.der"),
        ("PrivateKey", "users/otto.pem"),
    ):
        assert f"protocols.opcua.{key}: there is no file {plant / file}" in said
        (plant / file).parent.mkdir(exist_ok=True)
        (plant / file).touch()
    ran = southgate("check")
    assert "there is no file" not in ran.out + ran.err
