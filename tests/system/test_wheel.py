"""The wheel, installed with `[modbus]` alone into an environment of its own, far from the checkout."""

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-runtime.lock"
INSTALLERS = {"pip", "setuptools", "southgate"}
DEVICES = """deviceList:
- name: meter
  profileName: Eastron-SDM630
  serviceName: device-modbus
  protocols: {modbus-tcp: {Address: 192.0.2.7, Port: 502, UnitID: 1}}
  autoEvents: [{interval: 1s, sourceName: Power}]
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that has the wheel."""

    bin: Path
    elsewhere: Path
    """An empty folder to work in."""

    def call(self, *command: str) -> str:
        """Standard output; a command that fails shows what it said."""
        return _call([str(self.bin / command[0]), *command[1:]], self.elsewhere)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    _call([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)], folder)
    (wheel,) = folder.glob("southgate-*.whl")
    venv.create(folder / "venv", with_pip=True)
    pip = str(folder / "venv" / "bin" / "pip")
    _call([pip, "install", "-q", "-c", str(ROOT / "constraints.txt"), f"{wheel}[modbus]"], folder)
    (folder / "elsewhere").mkdir()
    return Installed(folder / "venv" / "bin", folder / "elsewhere")


def _call(command: list[str], folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=240
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_says_its_version(installed: Installed) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert installed.call("southgate", "--version") == f"southgate {project['version']}\n"
    assert version("southgate") == project["version"], "the environment of the tests is older; run make clean"


def test_it_brings_nothing_of_the_demo_and_of_development(installed: Installed) -> None:
    names = {entry["name"] for entry in json.loads(installed.call("pip", "list", "--format", "json"))}
    locked = {line.split("==")[0] for line in LOCK.read_text("utf-8").splitlines() if "==" in line}
    assert {_normal(name) for name in names} - INSTALLERS <= locked
    assert installed.call("pip", "check") == "No broken requirements found.\n"


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def test_it_simulates_a_shipped_profile(installed: Installed) -> None:
    assert "southgate simulate eastron-sdm630" in installed.call("southgate", "simulate", "--help")
    text = installed.call(
        "southgate", "simulate", "eastron-sdm630", "xy-md02", "--for", "0.1", "--devices", "list.yaml"
    )
    assert "Eastron-SDM630" in text
    assert "profileName: XY-MD02" in (installed.elsewhere / "list.yaml").read_text("utf-8")


def test_it_has_all_shipped_profiles(installed: Installed) -> None:
    shipped = "import simulators.library as l; print(l.__file__); print(*sorted(p.name for p in l.shipped()))"
    where, names = installed.call("python", "-c", shipped).splitlines()
    assert not Path(where).is_relative_to(ROOT)
    assert names.split() == sorted(
        path.name for path in (ROOT / "profiles").glob("*/*.yaml") if path.parent.name != "demo"
    )


def test_it_checks_a_folder(installed: Installed) -> None:
    plant = installed.elsewhere / "plant"
    (plant / "devices").mkdir(parents=True)
    (plant / "gateway.yaml").write_text("gateway: {name: plant-7}\n")
    (plant / "devices" / "meter.yaml").write_text(DEVICES)
    assert re.match("1 devices?, 1 polls?, 1 requests?", installed.call("southgate", "check", "plant"))
