"""`southgate demo`, as somebody sees it who tries the program for the first time."""

import asyncio
import contextlib
import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.house import Said, southgate, surroundings
from tests.support.peers import need

DEVICES = ("meter", "io-board", "climate", "relays")
CONFIRMED = re.compile(r"command (io-board|relays) Relay\d = (true|false): confirmed in \d+ ms, reads back")
ONLY_AMQTT = """import shutil, sys
found = shutil.which
shutil.which = lambda name, *given, **more: None if name == "mosquitto" else found(name, *given, **more)
from gateway.cli import run_command
sys.exit(run_command(sys.argv[1:]))
"""
START_S = 20.0


async def test_without_a_terminal_every_value_is_a_line_and_a_command_is_confirmed(tmp_path: Path) -> None:
    need("mosquitto")
    said = await southgate("demo", "--for", "9", "--dir", "demo", cwd=tmp_path)
    _shows_everything(said, "mosquitto")
    _nothing_is_left(tmp_path / "demo")


async def test_without_mosquitto_amqtt_serves(tmp_path: Path) -> None:
    pytest.importorskip("amqtt")
    async with _process(["-c", ONLY_AMQTT, "demo", "--for", "11", "--dir", "demo"], tmp_path) as process:
        async with asyncio.timeout(START_S + 11):
            out, err = await process.communicate()
    _shows_everything(Said(process.returncode or 0, out.decode(), err.decode()), "amqtt")
    _nothing_is_left(tmp_path / "demo")
    assert yaml.safe_load((tmp_path / "demo" / "gateway.yaml").read_text())["cloud"]["mqtt"]["version"] == "3.1.1"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "window-closed"])
async def test_a_terminal_shows_a_table_and_its_end_is_the_end_of_all(tmp_path: Path, end: signal.Signals) -> None:
    need("mosquitto")
    master, slave = pty.openpty()
    try:
        env = surroundings({"TERM": "xterm", "COLUMNS": "140", "LINES": "50"})
        del env["NO_COLOR"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "demo", "--dir", "demo",
            cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=env,
        )  # fmt: skip
        os.close(slave)
        try:
            shown = await asyncio.to_thread(_until_shown, master, ("RESOURCE", *DEVICES, "Power", "good"))
            process.send_signal(end)
            async with asyncio.timeout(15):
                reading = asyncio.create_task(asyncio.to_thread(_rest, master))
                code = await process.wait()
                await reading
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    finally:
        os.close(master)
    assert code == 0
    assert "\x1b[" in shown
    _nothing_is_left(tmp_path / "demo")


async def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    said = await southgate("demo", "--for", "1", "--dir", tmp_path)
    assert said.code == 2
    assert "not a demo's folder" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]  # noqa: ASYNC240  a few files


def _shows_everything(said: Said, broker: str) -> None:
    assert said.code == 0, said.out + said.err
    assert f"broker   {broker} on 127.0.0.1:" in said.out
    for word in ("topics ", "API ", "data "):
        assert f"\n{word}" in said.out
    for device in DEVICES:
        assert re.search(rf"^\d\d:\d\d:\d\d {device} \S+ \S+ .*good$", said.out, re.MULTILINE), device
    assert CONFIRMED.search(said.out), said.out[-2000:]
    assert "Traceback" not in said.out + said.err


def _nothing_is_left(folder: Path) -> None:
    """No process runs where the demo was started, the log is clean, and the settings are whole."""
    assert list(_running_in(folder.parent)) == []
    log = (folder / "gateway.log").read_text()
    assert "ERROR" not in log
    assert "Traceback" not in log
    assert "gateway" in yaml.safe_load((folder / "gateway.yaml").read_text())


def _running_in(folder: Path) -> Iterator[str]:
    """Command lines of the processes whose current folder this is."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                yield (process / "cmdline").read_text().replace("\0", " ")


def _until_shown(terminal: int, words: tuple[str, ...]) -> str:
    """Everything that was drawn until all words were there."""
    shown, deadline = "", time.monotonic() + START_S
    while not all(word.lower() in shown.lower() for word in words):
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, shown[-3000:]
        shown += os.read(terminal, 65536).decode("utf-8", "replace")
    return shown


def _rest(terminal: int) -> None:
    """Reads until the terminal's other side is closed, so that nobody waits for us."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            pass


@contextlib.asynccontextmanager
async def _process(arguments: list[str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=folder, env=surroundings(),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
