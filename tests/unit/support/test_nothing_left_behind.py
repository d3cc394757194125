"""The checks around every test catch what they are there for: each leaking test below is run by itself, and fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAD = "import asyncio, socket, threading, time, warnings\nfrom tests.support.peers import need\nkept = []\n"


def outcome(folder: Path, body: str, **environment: str) -> str:
    """What pytest says of one test, with this project's settings and checks."""
    (folder / "test_one.py").write_text(f"{HEAD}\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", ".", "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(folder / "test_one.py")],
        cwd=ROOT,
        env={**os.environ, "CI": "", **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("async def test(): kept.append(asyncio.create_task(asyncio.sleep(99)))", "left tasks behind"),
        (
            "async def test():\n async def f(): await asyncio.sleep(99)\n asyncio.ensure_future(f())",
            "left tasks behind",
        ),
        ("def test(): threading.Thread(target=time.sleep, args=(3,)).start()", "left threads behind"),
        ("def test(): kept.append(socket.socket())", "left sockets behind"),
        ("def test(): socket.socket()", "ResourceWarning"),
        ("async def test(): kept.append(await asyncio.start_server(print, '127.0.0.1', 0))", "left sockets behind"),
        ("def test(): warnings.warn('old')", "UserWarning: old"),
        ("async def test(): asyncio.sleep(0)", "was never awaited"),
    ],
)
def test_caught(tmp_path: Path, body: str, said: str) -> None:
    told = outcome(tmp_path, body)
    assert said in told
    assert "1 failed" in told or "1 error" in told


def test_a_clean_test_passes(tmp_path: Path) -> None:
    assert "1 passed" in outcome(tmp_path, "async def test(): await asyncio.create_task(asyncio.sleep(0))")


def test_a_missing_peer_is_a_counted_skip_and_a_failure_on_ci(tmp_path: Path) -> None:
    body = "def test(): need('no-such-program')"
    assert "1 skipped" in outcome(tmp_path, body)
    told = outcome(tmp_path, body, CI="true")
    assert "1 failed" in told
    assert "no-such-program is not installed (packages.txt" in told
