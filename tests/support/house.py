"""The whole program as a user starts it: `async with house(tmp_path, world, broker) as gateway`."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import yaml

from simulators.world import Running
from tests.support.broker import Broker
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
START_S = 20.0
STOP_S = 10.0
WAIT_S = 15.0
NOISE = ("ERROR", "CRITICAL", "Traceback")


@dataclass(frozen=True, slots=True)
class Said:
    """What one command line said."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> Any:
        return json.loads(self.out)


async def southgate(*arguments: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Said:
    """Runs one command line to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *map(str, arguments), cwd=cwd, env=surroundings(env),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_S):
            out, err = await process.communicate()
    finally:
        await _end(process)
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


def surroundings(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of a child that finds our packages from any folder and says everything in plain text."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **(env or {})}


class Gateway:
    """One `southgate run` in a folder of its own; may be stopped, killed and started again on the same port."""

    name = "plant-7"

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.config = folder / "gateway.yaml"
        self.url = url
        self.log: list[str] = []
        """Everything that was written to standard error, by all its lives."""
        self.quiet = True
        """No error may be logged; a test that provokes some says so."""
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def root(self) -> str:
        """What every topic begins with."""
        return f"southgate/v1/{self.name}"

    def topic(self, device: str, rest: str) -> str:
        return f"{self.root}/d/{device}/{rest}"

    # ------------------------------------------------------------------------------------------------------- its life

    async def start(self) -> None:
        """Returns when it says that it is ready."""
        assert self._process is None
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "run", "--json", "--config", str(self.config),
            cwd=self.folder, env=surroundings(), start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._drain = asyncio.create_task(self._hear(process))
        self._client = httpx.AsyncClient(base_url=self.url, timeout=WAIT_S)
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            ready = await process.stdout.readline()
        assert b'"api"' in ready, f"the gateway does not start:\n{await self._last_words()}"

    async def stop(self) -> int:
        """SIGTERM, as a service manager does. Its exit code."""
        return await self._ended(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: as a power cut, as far as processes feel it."""
        await self._ended(signal.SIGKILL)

    def reload(self) -> None:
        """SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)

    async def close(self) -> None:
        """Whatever is left of it ends."""
        if self._process is not None:
            await self.kill()

    async def _ended(self, number: int) -> int:
        process, self._process = self._process, None
        assert process is not None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_S):
                code = await process.wait()
        finally:
            await _end(process)
            assert self._client is not None
            await self._client.aclose()
            assert self._drain is not None
            await self._drain
        return code

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self.log.append(line.decode("utf-8", "replace").rstrip())

    async def _last_words(self) -> str:
        assert self._drain is not None
        await asyncio.wait([self._drain], timeout=1)
        return "\n".join(self.log)

    # ---------------------------------------------------------------------------------------------------- asking it

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request to its REST API."""
        assert self._client is not None
        return await self._client.request(method, path, **options)

    async def get(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = await self.ask("GET", path)
        assert answer.status_code in (200, 207), f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def own(self, what: str) -> Any:
        """Of `/gateway/api/v1`."""
        return await self.get(f"/gateway/api/v1/{what}")

    async def twin(self, device: str) -> Any:
        return await self.own(f"twin/{quote(device, safe='')}")

    async def state(self, device: str) -> str:
        return str((await self.twin(device))["state"])

    async def value(self, device: str, resource: str) -> Any:
        """The last value that was read; None before the first."""
        return (await self.twin(device))["values"].get(resource, {}).get("value")

    async def flow(self, device: str) -> Any:
        """What is asked for and achieved by the device's first poll."""
        return next(flow for flow in (await self.own("flows"))["flows"] if flow["device"] == device)

    async def command(self, device: str, name: str, args: Mapping[str, Any], **more: Any) -> Any:
        """The full result of a command over REST."""
        body = {"device": device, "name": name, "args": args, **more}
        return (await self.ask("POST", "/gateway/api/v1/commands", json=body)).json()

    async def until(self, condition: Callable[[], Awaitable[Any]], seconds: float = WAIT_S) -> Any:
        """The condition's value as soon as it is true."""
        async with asyncio.timeout(seconds):
            while not (value := await condition()):  # noqa: ASYNC110  another process sets no event of ours
                await asyncio.sleep(0.02)
        return value

    async def until_state(self, device: str, state: str, seconds: float = WAIT_S) -> Any:
        """The device's twin, as soon as it is in this state."""

        async def reached() -> Any:
            twin = await self.twin(device)
            return twin if twin["state"] == state else None

        return await self.until(reached, seconds)

    async def until_reason(self, device: str, text: str) -> None:
        """As soon as the device's state is explained with these words."""

        async def said() -> bool:
            return text in (await self.twin(device))["reason"]

        await self.until(said)

    async def until_value(self, device: str, resource: str, value: Any) -> None:
        async def reached() -> bool:
            return bool(await self.value(device, resource) == value)

        await self.until(reached)

    async def until_logged(self, text: str, start: int = 0) -> str:
        """The line that holds this text, as soon as it was written."""

        async def logged() -> str:
            return next((line for line in self.log[start:] if text in line), "")

        return str(await self.until(logged))

    async def cli(self, command: str, *arguments: str | Path) -> Said:
        """A command line that talks to this gateway."""
        return await southgate(command, *arguments, "--config", self.config, cwd=self.folder)

    @property
    def noise(self) -> list[str]:
        """Lines of the log that a good day does not have."""
        return [line for line in self.log if any(word in line for word in NOISE)]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    transport = process._transport  # type: ignore[attr-defined]  # closes its pipes now, not when it is collected
    transport.close()


def furnish(
    folder: Path,
    devices: str = "",
    profiles: Sequence[str] = (),
    broker: Broker | None = None,
    **settings: Mapping[str, Any] | Sequence[Any],
) -> Path:
    """A folder with gateway.yaml, a device list and profiles, each as text. Parts of `settings` go over ours. Gives the
    path of gateway.yaml."""
    for name in ("profiles", "devices"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if devices:
        (folder / "devices" / "simulated.yaml").write_text(devices)
    for number, profile in enumerate(profiles):
        (folder / "profiles" / f"profile-{number}.yaml").write_text(profile)
    document: dict[str, Any] = {
        "gateway": {"name": Gateway.name, "profiles": ["profiles"], "devices": "devices", "data": "data"},
        "api": {"listen": f"127.0.0.1:{free_port()}"},
    }
    if broker is not None:
        document["cloud"] = {"mqtt": {"url": broker.url, "response_prefixes": ["replies/"]}}
    for part, own in settings.items():
        document[part] = {**document.get(part, {}), **own} if isinstance(own, Mapping) else own
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return path


@contextlib.asynccontextmanager
async def house(
    folder: Path,
    world: Running | None = None,
    broker: Broker | None = None,
    profiles: Sequence[str] = (),
    start: bool = True,
    **settings: Mapping[str, Any] | Sequence[Any],
) -> AsyncIterator[Gateway]:
    """A running gateway for the devices of a world; always ended, and its log must be free of errors."""
    config = furnish(folder / "plant", world.device_list() if world else "", profiles, broker, **settings)
    listen = yaml.safe_load(config.read_text())["api"]["listen"]
    gateway = Gateway(config.parent, f"http://{listen}")
    try:
        if start:
            await gateway.start()
        yield gateway
    except BaseException:
        print("\n".join(gateway.log[-200:]))
        raise
    finally:
        await gateway.close()
    if gateway.quiet:
        assert not gateway.noise, "\n".join(gateway.log)
