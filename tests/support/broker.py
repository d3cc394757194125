"""A real mosquitto on a free port, for one test: `async with mosquitto(tmp_path) as broker`."""

import asyncio
import contextlib
import getpass
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.peers import need
from tests.support.ports import free_port

START_S = 10.0


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """What of mosquitto.conf a test may choose."""

    users: Mapping[str, str] = field(default_factory=dict)
    """Name → password; anonymous clients are refused then."""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_certificates: bool = False
    """Refuse clients without a certificate of `ca_file`."""
    persistent: bool = True
    """Sessions, queues and retained messages survive `stop` and `start`."""
    acl: str = ""
    """Text of an ACL file."""
    lines: Sequence[str] = ()
    """More lines of mosquitto.conf."""


class Broker:
    """One mosquitto; may be stopped and started again on the same port."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, options: BrokerOptions) -> None:
        self._program = need("mosquitto")
        self.port = free_port()
        self.options = options
        self._folder = folder / f"mosquitto-{self.port}"
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self.log: list[str] = []

    @property
    def url(self) -> str:
        return f"{'mqtts' if self.options.cert_file else 'mqtt'}://{self.host}:{self.port}"

    async def start(self) -> None:
        """Returns when it listens."""
        await self._configure()
        self._process = await asyncio.create_subprocess_exec(
            self._program, "-c", str(self._folder / "mosquitto.conf"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(START_S):
            while "running" not in (line := await self._line()):
                assert line, "mosquitto does not start: " + "".join(self.log)
        self._drain = asyncio.create_task(self._rest())

    async def stop(self) -> None:
        """As a service manager would: SIGTERM."""
        await self._end(kill=False)

    async def kill(self) -> None:
        """As a power cut would: SIGKILL."""
        await self._end(kill=True)

    async def _end(self, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill() if kill else process.terminate()
        await process.wait()
        if self._drain is not None:
            await self._drain
            self._drain = None

    async def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode("utf-8", "replace")
        self.log.append(line)
        return line

    async def _rest(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.log.append(line.decode("utf-8", "replace"))

    async def _configure(self) -> None:
        self._folder.mkdir(exist_ok=True)
        options = self.options
        lines = [
            f"listener {self.port} {self.host}",
            "set_tcp_nodelay true",
            f"user {getpass.getuser()}" if os.getuid() == 0 else "",
            "log_dest stderr",
            f"allow_anonymous {'false' if options.users else 'true'}",
            f"persistence {'true' if options.persistent else 'false'}",
            f"persistence_location {self._folder}/",
        ]
        if options.users:
            await self._passwords()
            lines.append(f"password_file {self._folder / 'passwords'}")
        if options.acl:
            (self._folder / "acl").write_text(options.acl)
            lines.append(f"acl_file {self._folder / 'acl'}")
        if options.cert_file:
            lines += [f"cafile {options.ca_file}", f"certfile {options.cert_file}", f"keyfile {options.key_file}"]
            lines.append(f"require_certificate {'true' if options.client_certificates else 'false'}")
        (self._folder / "mosquitto.conf").write_text("\n".join([*lines, *options.lines, ""]))

    async def _passwords(self) -> None:
        path = self._folder / "passwords"
        path.write_text("".join(f"{user}:{password}\n" for user, password in self.options.users.items()))
        path.chmod(0o600)
        hashing = await asyncio.create_subprocess_exec(need("mosquitto_passwd"), "-U", str(path))
        assert await hashing.wait() == 0


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, options: BrokerOptions | None = None) -> AsyncIterator[Broker]:
    """A running broker; gone at the block's end. Skips the test where mosquitto is not installed."""
    broker = Broker(folder, options or BrokerOptions())
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()
