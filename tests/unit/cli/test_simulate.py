"""`southgate simulate`: serves, says where, and ends when it is asked to."""

from pathlib import Path

import pytest

from gateway.model.load import load_devices
from tests.unit.cli.conftest import Run


def test_it_says_where_and_ends_after_a_time(southgate: Run) -> None:
    ran = southgate("simulate", "xy-md02", "--count", 2, "--for", 0.5, "--devices", "devices/simulated.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert [line.partition(" ")[0] for line in ran.out.splitlines() if "127.0.0.1:" in line] != []
    path = Path("devices/simulated.yaml")
    devices = load_devices(path.read_bytes(), str(path), strict=True).value
    assert [device.profile_name for device in devices] == ["XY-MD02", "XY-MD02"]
    ports = {device.protocols["modbus-tcp"]["Port"] for device in devices}
    assert len(ports) == 2
    assert all(f"127.0.0.1:{port}" in ran.out for port in map(str, ports))


def test_what_it_wrote_can_be_checked(southgate: Run) -> None:
    southgate("simulate", "xy-md02", "--for", 0.05, "--devices", "devices/simulated.yaml")
    ran = southgate("plan", "devices/simulated.yaml")
    assert ran.code == 0
    assert "FC4 input registers 1-2" in ran.out


def test_wrong_use(southgate: Run) -> None:
    assert southgate("simulate", "nosuch-device").code == 2
    assert southgate("simulate", "xy-md02", "--fault", "explode", "--for", 0.05).code == 2
    assert southgate("simulate", "--for", 0.05).code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "exception=400"], "from 1 to 255"),
        (["--fault", "exception=0"], "from 1 to 255"),
        (["--fault", "every=0"], "a number from 1 to"),
        (["--fault", "delay=-5ms"], "before being asked"),
        (["--delay", "-3"], "a number of milliseconds was expected, 0 or more"),
        (["--delay", "nan"], "a number of milliseconds was expected, 0 or more"),
        (["--for", "-1"], "a number of seconds was expected, more than 0"),
        (["--for", "0"], "a number of seconds was expected, more than 0"),
        (["--count", "0"], "count"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_served(
    arguments: list[str], said: str, southgate: Run
) -> None:
    ran = southgate("simulate", "xy-md02", *(["--for", "5"] if "--for" not in arguments else []), *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_json(southgate: Run) -> None:
    ran = southgate("simulate", "xy-md02", "--unit", 3, "--for", 0.05, "--json")
    assert (ran.code, ran.err) == (0, "")
    (served,) = ran.json
    assert served.keys() == {"device", "endpoint", "unit", "profile"}
    assert (served["device"], served["unit"], served["profile"]) == ("xy-md02", 3, "XY-MD02")
    assert served["endpoint"].startswith("127.0.0.1:")


def test_a_folder_that_is_not_there_is_a_slip(southgate: Run, tmp_path: Path) -> None:
    ran = southgate("simulate", "xy-md02", "--for", 5, "--devices", tmp_path / "nonexistent" / "x.yaml")
    assert ran.code == 2
    assert "x.yaml: cannot be written: No such file or directory" in ran.err
    assert not (tmp_path / "nonexistent").exists()
