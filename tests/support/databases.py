"""Real servers to export to, on free ports: VictoriaMetrics, InfluxDB 1.6 behind a v2 shim, PostgreSQL."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.fakehttp import Asked, FakeHttp, Says
from tests.support.peers import need
from tests.support.ports import free_port

START_S = 20.0


def _fetch(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def fetch(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of a request, in a thread."""
    return await asyncio.to_thread(_fetch, url, body, headers)


@contextlib.asynccontextmanager
async def _running(command: Sequence[str], url: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program, from its first answer on."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **options
    )
    try:
        async with asyncio.timeout(START_S):
            while True:
                assert process.returncode is None, f"{command[0]} ended with {process.returncode}"
                with contextlib.suppress(OSError):
                    await fetch(url)
                    break
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class VictoriaMetrics:
    """Answers what was written, as floats and milliseconds."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    async def exported(self, match: str) -> dict[str, list[tuple[int, float]]]:
        """Metric name → (ms, value), in order; what was just written included."""
        await fetch(f"{self.url}/internal/force_flush")
        query = urllib.parse.urlencode({"match[]": match})
        _, body = await fetch(f"{self.url}/api/v1/export?{query}")
        found: dict[str, list[tuple[int, float]]] = {}
        for line in body.splitlines():
            one = json.loads(line)
            found.setdefault(one["metric"]["__name__"], []).extend(zip(one["timestamps"], one["values"], strict=True))
        return {name: sorted(rows) for name, rows in found.items()}


@contextlib.asynccontextmanager
async def victoria_metrics(folder: Path) -> AsyncIterator[VictoriaMetrics]:
    port = free_port()
    command = [
        need("victoria-metrics"),
        f"-storageDataPath={folder / 'vm'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-search.latencyOffset=0s",
        "-retentionPeriod=100y",
        "-memory.allowedBytes=256MB",
    ]
    async with _running(command, f"http://127.0.0.1:{port}/ping"):
        yield VictoriaMetrics(port)


INFLUXD = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "inmem"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""


class Influx(FakeHttp):
    """InfluxDB 1.6 with the v2 write route before it: org and bucket are a database, the token is looked at."""

    def __init__(self, behind: str, token: str) -> None:
        super().__init__()
        self._behind = behind
        self._token = token
        self.says = lambda _: Says(500)

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        if not self.next and asked.method != "GET":
            self.next.append(await self._written(asked))
        return await super()._answer(asked, writer)

    async def _written(self, asked: Asked) -> Says:
        if asked.headers.get("authorization") != f"Token {self._token}":
            return Says(401, b'{"code":"unauthorized","message":"unauthorized access"}')
        given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(asked.target).query))
        query = urllib.parse.urlencode({"db": given["bucket"], "precision": given["precision"]})
        coding = {"Content-Encoding": "gzip"} if asked.headers.get("content-encoding") == "gzip" else {}
        status, body = await fetch(f"{self._behind}/write?{query}", asked.raw, coding)
        return Says(status, body)

    async def query(self, text: str, database: str = "readings") -> Any:
        """Of InfluxQL, times in ns."""
        query = urllib.parse.urlencode({"db": database, "epoch": "ns", "q": text})
        _, body = await fetch(f"{self._behind}/query?{query}", b"")
        return json.loads(body)["results"][0]


@contextlib.asynccontextmanager
async def influx(folder: Path, token: str = "s3cret") -> AsyncIterator[Influx]:
    """With a database `readings`."""
    port, home = free_port(), folder / "influx"
    home.mkdir()
    config = home / "influxdb.conf"
    config.write_text(INFLUXD.format(folder=home, port=port, rpc=free_port()))
    behind = f"http://127.0.0.1:{port}"
    async with _running([need("influxd"), "-config", str(config)], f"{behind}/ping"):
        made = Influx(behind, token)
        await made.start()
        try:
            await made.query("CREATE DATABASE readings")
            yield made
        finally:
            await made.stop()


def _postgres_program(name: str) -> str:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else need(name)


class Postgres:
    """A cluster of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder / "pg"
        self._folder.mkdir()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # it does not run as root
            user = pwd.getpwnam("postgres")
            shutil.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"postgresql://plant@127.0.0.1:{self.port}/postgres"

    async def make(self, password: str) -> None:
        secret = self._folder / "pw"
        secret.write_text(password)
        secret.chmod(0o644)
        command = [
            _postgres_program("initdb"), "-D", str(self._folder / "data"), "-U", "plant", "-A", "scram-sha-256",
            "--pwfile", str(secret), "-E", "UTF8", "--no-sync", "--locale=C",
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **self._as
        )
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()

    async def start(self) -> None:
        command = [
            _postgres_program("postgres"), "-D", str(self._folder / "data"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._folder}", "-c", "fsync=off",
        ]  # fmt: skip
        self._process = await asyncio.create_subprocess_exec(
            *command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as
        )
        async with asyncio.timeout(START_S):
            while True:
                assert self._process.returncode is None
                try:
                    await self.query("SELECT 1")
                except Exception:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(3)  # SIGQUIT: at once, connections are cut
            await self._process.wait()

    def freeze(self, frozen: bool = True) -> None:
        """All its processes stand still, with their connections open."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    async def query(self, text: str) -> list[tuple[Any, ...]]:
        """Rows, if there are any."""
        return await asyncio.to_thread(self._query, text)

    def _query(self, text: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url, password="s3cret", autocommit=True, connect_timeout=5) as db:
            cursor = db.execute(text)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@contextlib.asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[Postgres]:
    """User `plant` with the password `s3cret`."""
    async with postgres_made(folder) as made:
        await made.start()
        yield made


@contextlib.asynccontextmanager
async def postgres_made(folder: Path) -> AsyncIterator[Postgres]:
    """Not started."""
    for parent in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            if os.geteuid() == 0 and parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    made = Postgres(folder)
    await made.make("s3cret")
    try:
        yield made
    finally:
        await made.stop()
