"""Processes of a bench: the answering devices, the broker, the far end, and what is measured; and what they cost."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of build/bench.json."""

    name: str
    value: float | None
    unit: str
    conditions: str


@contextlib.contextmanager
def process(
    *command: str, stdin: int | None = None, cpu: int | None = None, **kwargs: Any
) -> Iterator[subprocess.Popen[str]]:
    """Runs a command, on one core if `cpu` is given; terminated (killed after 10 s) at the end."""
    command = (*_pinned(cpu), *command)
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True, **kwargs) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def _pinned(cpu: int | None) -> tuple[str, ...]:
    taskset = shutil.which("taskset")
    return (taskset, "-c", str(cpu)) if taskset and cpu is not None else ()


@contextlib.contextmanager
def devices(count: int, delay: float = 0.0, cpu: int | None = None) -> Iterator[list[int]]:
    """Answering Modbus TCP devices; gives their ports."""
    with process(sys.executable, "-m", "tests.bench.server", str(count), "--delay", str(delay), cpu=cpu) as server:
        assert server.stdout is not None
        yield [int(port) for port in server.stdout.readline().split()]


class Broker:
    """A mosquitto on a free port, with its queue kept over restarts."""

    def __init__(self, folder: Path, cpu: int | None = None) -> None:
        path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if path is None:
            raise SystemExit("the benches need mosquitto (packages.txt names its Debian package)")
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            f"max_queued_messages 0\nmax_inflight_messages 1000\npersistence false\nuser root\n"
        )
        self._command = [*_pinned(cpu), path, "-c", str(config)]
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._running = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def stop(self) -> None:
        if self._running is not None:
            self._running.terminate()
            self._running.wait(10)
            self._running = None


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    import socket

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on 127.0.0.1:{port}")


@contextlib.contextmanager
def broker(cpu: int | None = None) -> Iterator[Broker]:
    with tempfile.TemporaryDirectory() as folder:
        running = Broker(Path(folder), cpu)
        running.start()
        try:
            yield running
        finally:
            running.stop()


class FarEnd:
    """The listening process, asked for what came."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running

    def ask(self, seqs: bool = False) -> dict[str, Any]:
        """What came since the last question."""
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write("seqs\n" if seqs else "\n")
        self._running.stdin.flush()
        answer: dict[str, Any] = json.loads(self._running.stdout.readline())
        return answer


@contextlib.contextmanager
def far_end(port: int, cpu: int | None = None) -> Iterator[FarEnd]:
    with process(sys.executable, "-m", "tests.bench.listener", str(port), stdin=subprocess.PIPE, cpu=cpu) as running:
        assert running.stdout is not None
        assert running.stdout.readline().strip() == "ready"
        yield FarEnd(running)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


@dataclass(frozen=True, slots=True)
class Window:
    """What a process did during a stretch of time."""

    cpu_percent: float
    rss_mb: float
    came: dict[str, Any]
    seconds: float


def watch(pid: int, end: FarEnd, seconds: float) -> Window:
    """Measures a process and what arrives for `seconds`."""
    end.ask()
    cpu, start = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - start
    came = end.ask()
    return Window(100 * (cpu_seconds(pid) - cpu) / took, rss_mb(pid), came, took)


PROFILE_HEAD = """name: bench-{registers}
deviceResources:
"""
RESOURCE = """  - name: R{i}
    attributes: {{ primaryTable: HOLDING_REGISTERS, startingAddress: {i} }}
    properties: {{ valueType: Uint16, readWrite: {rw} }}
"""


def gateway_folder(folder: Path, ports: list[int], mqtt: int | None, **options: Any) -> Path:
    """Writes a gateway.yaml with one profile of `registers` registers and a device per port; gives its path."""
    registers, interval = options.get("registers", 100), options.get("interval", "1s")
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    (folder / "devices").mkdir(exist_ok=True)
    profile = PROFILE_HEAD.format(registers=registers)
    profile += "".join(RESOURCE.format(i=i, rw="RW" if i == registers - 1 else "R") for i in range(registers))
    profile += "deviceCommands:\n  - name: all\n    readWrite: R\n    resourceOperations:\n"
    profile += "".join(f"      - {{ deviceResource: R{i} }}\n" for i in range(registers))
    (folder / "profiles" / "bench.yaml").write_text(profile)
    rows = ["deviceList:"]
    for number, port in enumerate(ports):
        rows += [
            f"  - name: device-{number}",
            f"    profileName: bench-{registers}",
            f"    protocols: {{ modbus-tcp: {{ Address: 127.0.0.1, Port: {port}, UnitID: 1, Timeout: 2s }} }}",
            f"    autoEvents: [{{ interval: {interval}, sourceName: all }}]",
        ]
    (folder / "devices" / "bench.yaml").write_text("\n".join(rows) + "\n")
    lines = [
        "gateway: { name: bench, profiles: [profiles/], devices: devices/, data: data/ }",
        f"api: {{ listen: '127.0.0.1:{options.get('api', 0)}' }}",
    ]
    if mqtt is not None:
        lines.append(f"cloud: {{ mqtt: {{ url: 'mqtt://127.0.0.1:{mqtt}' }} }}")
    settings = folder / "gateway.yaml"
    settings.write_text("\n".join(lines) + "\n")
    return settings


@contextlib.contextmanager
def gateway(settings: Path, cpu: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """The gateway itself, as a user starts it. Says what it said when it ends by itself."""
    command = (sys.executable, "-m", "gateway", "run", "--config", str(settings))
    with (settings.parent / "gateway.log").open("w+") as log, process(*command, cpu=cpu, stderr=log) as running:
        try:
            yield running
        finally:
            ended = running.poll()
            if ended is not None:
                log.seek(0)
                print(f"the gateway ended with {ended}: {log.read()[-2000:]}", file=sys.stderr)
