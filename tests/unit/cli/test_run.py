"""`southgate run` as a process: signals at awkward times."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]
SETTINGS = "gateway: {name: plant-7}\napi: {listen: '127.0.0.1:0'}\n"
PATIENCE_S = 20.0


def ignores(process: "subprocess.Popen[str]", number: signal.Signals) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored, 16) >> (number - 1) & 1)


def test_a_reload_while_starting_and_two_stops_at_once(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(SETTINGS)
    command = [sys.executable, "-m", "gateway", "run", "--json", "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + PATIENCE_S
        while not ignores(process, signal.SIGHUP):
            assert time.monotonic() < until
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        assert '"api"' in process.stdout.readline()
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.001)
            assert time.monotonic() < until
        assert process.stderr is not None
        assert (process.returncode, "Traceback" in process.stderr.read()) == (0, False)
