"""The image: built from the Dockerfile, run against a simulated device and a real broker, stopped as an engine does."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from simulators.world import Running, World, serve
from tests.support.broker import Broker, mosquitto
from tests.support.container import Container, Image, build, composed, running
from tests.support.mqtt import CloudClient, cloud_client
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
METER = "eastron-sdm630"
UID = 10001
KEPT = "/var/lib/southgate"
OWN_LAYERS_MB = 80
"""What we add to python:3.11-slim (about 125 MB); together at most 200 MB."""

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def image() -> Image:
    built = build(ROOT, "localhost/southgate:test")
    _report("container.layers_mb", round(built.own_size / 1e6, 1), "MB", "layers above python:3.11-slim")
    return built


def test_hadolint_has_nothing_to_say() -> None:

    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout


def test_the_image_is_small_and_says_how_to_run(image: Image) -> None:
    assert image.own_size < OWN_LAYERS_MB * 1e6
    assert image.config["User"] == f"{UID}:{UID}"
    assert image.config["Entrypoint"] == ["southgate"]
    assert list(image.config["Volumes"]) == [KEPT]
    assert image.config["StopSignal"] == "SIGTERM"


async def test_the_image_has_the_program_and_nothing_to_install_with(image: Image) -> None:
    options = ["--network=none", "--entrypoint", "sleep"]
    async with running(image, _name("tools"), options, ["600"]) as container:
        code, text = await container.exec("southgate", "--version")
        assert (code, text.split()[0]) == (0, "southgate")
        code, text = await container.exec("southgate", "check", "/etc/southgate/gateway.yaml")
        assert code == 0, text
        absent = (
            "import importlib.util as u; print([n for n in ('pip', 'setuptools', 'pytest', 'amqtt') if u.find_spec(n)])"
        )
        assert await container.exec("/opt/southgate/bin/python", "-c", absent) == (0, "[]\n")
        loads = "import asyncua, cryptography.x509, msgspec, pydantic, pymodbus, serial, uvloop, yaml._yaml"
        assert await container.exec("/opt/southgate/bin/python", "-c", loads) == (0, "")
        code, _ = await container.exec("sh", "-c", "touch /opt/southgate/bin/x")
        assert code != 0


async def test_the_image_runs_as_it_is(image: Image) -> None:
    async with running(image, _name("alone"), ["--network=none", "--read-only", "--cap-drop=ALL"]) as container:
        async with asyncio.timeout(30):
            while await _healthcheck(image, container):
                pass
        code, text = await container.exec("southgate", "devices", "--json")
        assert (code, json.loads(text)) == (0, []), text
        assert await container.stop(10) == 0, await container.logs()


async def test_values_flow_and_stop_is_clean(image: Image, tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, serve(World.from_profiles([METER])) as world:
        api = f"127.0.0.1:{free_port()}"
        options = _prepared(tmp_path, broker, world, api)
        world.set(METER, "Power", 1234.5)
        async with cloud_client(broker) as cloud:
            began = time.monotonic()
            async with running(image, _name("run"), options) as container:
                value = await _first(cloud, "Power")
                _report("container.first_value_s", round(time.monotonic() - began, 2), "s", "podman run to MQTT")
                assert value == 1234.5
                await _healthy(container, api)
                assert await _uids(container) == {UID}
                assert await _healthcheck(image, container, SOUTHGATE_URL=f"http://{api}") == 0
                assert await _healthcheck(image, container, SOUTHGATE_URL=f"http://127.0.0.1:{free_port()}") != 0
                assert await container.stop(10) == 0, await container.logs()
        async with cloud_client(broker) as cloud, running(image, _name("again"), options) as container:
            await _first(cloud, "Power")
            world.set(METER, "Power", 4321.5)
            await cloud.until(lambda: 4321.5 in _values(cloud, "Power"))
            await _adopts_a_copied_list(container, cloud, tmp_path, world.device_list())
            assert await container.stop(10) == 0, await container.logs()


async def test_a_mounted_file_that_is_wrong_is_named_and_ends_it(image: Image, tmp_path: Path) -> None:
    settings = tmp_path / "gateway.yaml"
    settings.write_text("gateway:\n  nmae: plant-7\n")
    async with running(image, _name("wrong"), composed(COMPOSE, settings, tmp_path)) as container:
        assert await container.ended() == 2
        assert "/etc/southgate/gateway.yaml:2" in (said := await container.logs())
        assert "nmae" in said


def _prepared(folder: Path, broker: Broker, world: Running, api: str) -> list[str]:
    """podman's options: a gateway.yaml, a folder of data with the simulated meter, the rest as compose.yaml says."""
    (folder / "gateway.yaml").write_text(
        json.dumps(
            {
                "gateway": {
                    "name": "plant-7",
                    "profiles": [f"{KEPT}/profiles"],
                    "devices": f"{KEPT}/devices",
                    "data": f"{KEPT}/data",
                },
                "api": {"listen": api},
                "cloud": {"mqtt": {"url": broker.url}},
            }
        )
    )
    kept = folder / "kept"
    (kept / "devices").mkdir(parents=True)
    (kept / "devices" / "meter.yaml").write_text(world.device_list())
    for path in (kept, *kept.rglob("*")):
        os.chown(path, UID, UID)
    return composed(COMPOSE, folder / "gateway.yaml", kept)


async def _adopts_a_copied_list(container: Container, cloud: CloudClient, folder: Path, devices: str) -> None:
    """A device list copied into the running container counts after SIGHUP."""
    (folder / "second.yaml").write_text(devices.replace(f"name: {METER}", "name: second"))
    code, text = await container.podman(
        "cp", str(folder / "second.yaml"), f"{container.name}:{KEPT}/devices/second.yaml"
    )
    assert code == 0, text
    await container.podman("kill", "--signal", "HUP", container.name)
    await cloud.until(lambda: cloud.on("southgate/v1/plant-7/d/second/tele/"))


async def _first(cloud: CloudClient, resource: str) -> Any:
    """The first value of a resource that arrives."""
    return (await cloud.until(lambda: _values(cloud, resource)))[0]


def _values(cloud: CloudClient, resource: str) -> list[Any]:
    messages = cloud.on(f"southgate/v1/plant-7/d/{METER}/tele/")
    events = [event for message in messages for event in message.body["events"]]
    return [event["v"][resource] for event in events if event["v"].get(resource) is not None]


async def _healthy(container: Container, api: str) -> None:
    status, body = await asyncio.to_thread(_get, f"http://{api}/gateway/api/v1/health")
    assert (status, body["healthy"]) == (200, True), f"{body}\n{await container.logs()}"


def _get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def _uids(container: Container) -> set[int]:
    """Real, effective, saved and file system user of the first process."""
    code, status = await container.exec("cat", "/proc/1/status")
    assert code == 0, status
    line = next(line for line in status.splitlines() if line.startswith("Uid:"))
    return {int(uid) for uid in line.split()[1:]}


async def _healthcheck(image: Image, container: Container, **environment: str) -> int:
    """Exit code of the image's own health check."""
    kind, *command = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    return (await container.exec(*command, **environment))[0]


def _name(what: str) -> str:
    return f"southgate-test-{what}-{os.getpid()}"


def _report(name: str, value: float, unit: str, conditions: str) -> None:
    """Kept beside the figures of the benches."""
    path = ROOT / "build" / "container.json"
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else []
    kept = [entry for entry in known if entry["name"] != name]
    path.write_text(
        json.dumps([*kept, {"name": name, "value": value, "unit": unit, "conditions": conditions}], indent=1)
    )
