"""The compose file: what it mounts exists, its gateway finds its broker, its broker starts from its own settings."""

import asyncio
from pathlib import Path
from typing import Any

import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from gateway.config import Settings, load_settings
from tests.support.peers import need
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
CONF = ROOT / "deploy" / "mosquitto.conf"


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return found


def sources(service: str) -> dict[str, str]:
    """Target → file or volume, of what is mounted."""
    return {volume.split(":")[1]: volume.split(":")[0] for volume in services()[service]["volumes"]}


def test_mounted_files_exist_and_volumes_are_declared() -> None:
    declared = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["volumes"]
    for service in services():
        for source in sources(service).values():
            assert (ROOT / source).is_file() if source.startswith(".") else source in declared


def test_the_gateway_keeps_everything_in_its_volume_and_finds_the_broker() -> None:
    settings = load_settings(ROOT / sources("gateway")["/etc/southgate/gateway.yaml"])
    kept = Path("/var/lib/southgate")
    assert sources("gateway")[str(kept)] == "gateway-data"
    assert all(path.is_relative_to(kept) for path in _folders(settings))
    assert settings.cloud.mqtt is not None
    listener = next(line for line in CONF.read_text().splitlines() if line.startswith("listener"))
    assert listener.split() == ["listener", str(settings.cloud.mqtt.port), settings.cloud.mqtt.host]


def test_the_image_differs_from_compose_only_in_the_cloud() -> None:
    image, compose = (load_settings(ROOT / "deploy" / name) for name in ("gateway.yaml", "gateway.compose.yaml"))
    assert image.cloud.mqtt is None
    assert image.model_dump(exclude={"cloud"}) == compose.model_dump(exclude={"cloud"})


def _folders(settings: Settings) -> list[Path]:
    own = settings.gateway
    return [*own.profiles, own.devices, own.data]


async def test_the_broker_starts_from_its_settings(tmp_path: Path) -> None:
    text = CONF.read_text()
    assert "set_tcp_nodelay true" in text
    port = free_port()
    assert sources("broker")["/mosquitto/data"] == "broker-data"
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(text.replace("listener 1883", f"listener {port}").replace("/mosquitto/data/", f"{tmp_path}/"))
    process = await asyncio.create_subprocess_exec(
        need("mosquitto"), "-c", str(conf), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(10):
            while b"running" not in said:
                line = await process.stdout.readline()
                assert line, said.decode()
                said += line
        assert b"rror" not in said, said.decode()
        assert await asyncio.to_thread(_connects, port) == MQTTErrorCode.MQTT_ERR_SUCCESS
    finally:
        process.terminate()
        await process.communicate()


def _connects(port: int) -> MQTTErrorCode:
    client = Client(CallbackAPIVersion.VERSION2)
    try:
        client.connect("127.0.0.1", port)
        while not client.is_connected():
            assert client.loop(timeout=1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS
        return MQTTErrorCode.MQTT_ERR_SUCCESS
    finally:
        client.disconnect()
