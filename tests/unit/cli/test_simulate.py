"""`southgate simulate`: serves, says where, and ends when it is asked to."""

from pathlib import Path

from gateway.model.load import load_devices
from tests.unit.cli.conftest import Run


def test_it_says_where_and_ends_after_a_time(southgate: Run) -> None:
    ran = southgate("simulate", "xy-md02", "--count", 2, "--for", 0.05, "--devices", "devices/simulated.yaml")
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
