"""A real port on loopback: starts, answers, stops without leaving anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.api import listening, server
from gateway.api.server import Listener, listen, serve
from gateway.api.settings import ApiSettings
from gateway.model.errors import ConfigError
from tests.support.ports import free_port
from tests.unit.api.fakes import House


@asynccontextmanager
async def running(house: House, settings: ApiSettings) -> AsyncIterator[list[Listener]]:
    listeners = listen(house.parts, settings)
    task = asyncio.create_task(serve(listeners))
    try:
        yield listeners
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_it_answers_on_the_port_it_was_given(house: House) -> None:
    async with (
        running(house, ApiSettings(listen="127.0.0.1:0")) as (only,),
        httpx.AsyncClient(base_url=f"http://{only.address}") as api,
    ):
        port = only.port
        answer = await api.get("/core-command/api/v3/device/name/boiler/Temperature")
        assert answer.status_code == 200
        assert "server" not in answer.headers
        encoded = await api.get("/core-metadata/api/v3/device/name/a%2Fb")
        assert encoded.json()["message"] == "device a/b not found"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_ports_open_without_a_line_in_the_log_each(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with running(house, ApiSettings(listen="127.0.0.1:0")) as (only,), httpx.AsyncClient() as api:
        assert (await api.get(f"http://{only.address}/gateway/api/v1/live")).status_code == 200
    assert not [r for r in caplog.records if r.name.startswith("uvicorn")]


async def test_every_edgex_service_on_its_own_port(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = {service: free_port() for service in ("core-data", "core-metadata", "core-command", "device-modbus")}
    monkeypatch.setattr(server, "EDGEX_PORTS", ports)
    async with running(house, ApiSettings(listen="127.0.0.1:0", edgex_ports=True)) as listeners:
        assert {x.service: x.port for x in listeners[1:]} == ports
        async with httpx.AsyncClient() as api:

            async def get(service: str, path: str) -> httpx.Response:
                return await api.get(f"http://127.0.0.1:{ports[service]}/api/v3{path}")

            for service in ports:
                assert (await get(service, "/ping")).json()["serviceName"] == service
            services = (await get("core-metadata", "/deviceservice/all")).json()["services"]
            assert services[0]["baseAddress"] == f"http://127.0.0.1:{ports['device-modbus']}"
            commands = (await get("core-command", "/device/name/boiler")).json()["deviceCoreCommand"]["coreCommands"]
            read = await api.get(commands[0]["url"] + commands[0]["path"])
            assert read.json()["event"]["deviceName"] == "boiler"
            assert (await get("device-modbus", "/device/name/boiler/Both")).status_code == 200
            assert (await get("device-modbus", "/device/all")).status_code == 404


async def test_a_request_in_progress_ends_before_the_gateway_stops(house: House) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()
    answer_of = house.commands.read

    async def slow(device: str, name: str, regex: bool = True) -> object:
        reading.set()
        await go_on.wait()
        return await answer_of(device, name, regex)

    house.commands.read = slow  # type: ignore[method-assign, assignment]
    (only,) = listen(house.parts, ApiSettings(listen="127.0.0.1:0"))
    task = asyncio.create_task(serve([only]))
    async with httpx.AsyncClient(base_url=f"http://{only.address}") as api:
        asked = asyncio.create_task(api.get("/device-modbus/api/v3/device/name/boiler/Both"))
        await reading.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        assert (await asked).status_code == 200
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_taken_port_and_a_missing_token_are_config_errors(house: House, tmp_path: Path) -> None:
    (first,) = listen(house.parts, ApiSettings(listen="127.0.0.1:0"))
    with pytest.raises(ConfigError, match=r"api.listen: 127.0.0.1:\d+ cannot be opened"):
        listen(house.parts, ApiSettings(listen=first.address))
    first.socket.close()
    with pytest.raises(ConfigError, match="token_file"):
        listen(house.parts, ApiSettings(listen="0.0.0.0:0", token_file=tmp_path / "none"))


def test_when_one_port_is_taken_none_stays_open(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = listen(house.parts, ApiSettings(listen="127.0.0.1:0"))
    common = free_port()
    monkeypatch.setattr(server, "EDGEX_PORTS", {"core-data": taken.port})
    with pytest.raises(ConfigError):
        listen(house.parts, ApiSettings(listen=f"127.0.0.1:{common}", edgex_ports=True))
    taken.socket.close()
    (again,) = listen(house.parts, ApiSettings(listen=f"127.0.0.1:{common}"))
    again.socket.close()


@pytest.mark.parametrize("said", [b"", b"GET /core-data/api/v3/ping HTTP/1.1\r\nHost: x\r\n"])
async def test_who_does_not_say_what_he_wants_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.05)
    async with running(house, ApiSettings(listen="127.0.0.1:0")) as (only,):
        reader, writer = await asyncio.open_connection("127.0.0.1", only.port)
        writer.write(b"GET /core-data/api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n" if said else b"")
        if said:
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        async with asyncio.timeout(5):
            assert b"HTTP" not in await reader.read()
        writer.close()
        await writer.wait_closed()
