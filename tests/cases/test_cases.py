"""One loop over the stories in this folder. A folder with `recording.jsonl` (of `southgate record`) and
`readings.jsonl`: the recording gives these readings. A folder with `gateway.yaml` (and profiles/, devices/) and either

- `expected.err`: `check` and `run` end with 2, and every line of it stands in what they say; or
- `world.yaml` and `expected.jsonl`: the gateway runs against this world until, on every line, `{device, resource,
  value}` (or `{device, state}`, with `reason` as a part of the text) has come true.

In every file of these `{port:NAME}` stands for the port at which the world serves device NAME, and `{byte:E4}` for that
byte. A bug becomes a folder.
"""

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulators.world import Running, World, serve
from tests.support.house import Gateway, southgate
from tests.support.ports import free_port

HERE = Path(__file__).parent
STORIES = sorted(path.parent for path in HERE.glob("*/gateway.yaml"))
RECORDINGS = sorted(path.parent for path in HERE.glob("*/recording.jsonl"))
ENDINGS = {".yaml", ".yml", ".json", ".jsonl", ".err"}


def test_there_are_stories() -> None:
    assert STORIES
    assert RECORDINGS
    assert {path.parent for path in HERE.glob("*/*.*") if path.suffix in ENDINGS} == {*STORIES, *RECORDINGS}
    assert all((story / "expected.err").is_file() != (story / "expected.jsonl").is_file() for story in STORIES)


@pytest.mark.parametrize("story", RECORDINGS, ids=lambda story: story.name)
async def test_recording(story: Path) -> None:
    """T45."""
    said = await southgate("replay", story / "recording.jsonl", "--expected", story / "readings.jsonl")
    assert (said.code, said.err) == (0, ""), said.out + said.err


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_story(story: Path, tmp_path: Path) -> None:
    folder = tmp_path / story.name
    shutil.copytree(story, folder)
    if (folder / "expected.err").is_file():
        await _is_refused(folder)
    else:
        async with serve(World.from_file(folder / "world.yaml")) as world:
            await _comes_true(folder, world)


async def _is_refused(folder: Path) -> None:
    _fill_in(folder, {})
    config, expected = folder / "gateway.yaml", (folder / "expected.err").read_text("utf-8").splitlines()
    if not re.search("^api:", config.read_text("utf-8"), re.MULTILINE):
        _listens(config, free_port())  # that of somebody else would be the only thing that is said
    checked, ran = await asyncio.gather(southgate("check", config), southgate("run", "--config", config))
    for said in (checked, ran):
        assert said.code == 2, said.err
        assert "Traceback" not in said.err
        text = said.err.replace(f"{folder}/", "")
        for line in expected:
            assert line in text, f"{line!r} is not in:\n{text}"


async def _comes_true(folder: Path, world: Running) -> None:
    _fill_in(folder, {name: served.address.rpartition(":")[2] for name, served in world.devices.items()})
    async with _running(folder) as gateway:
        for line in (folder / "expected.jsonl").read_text("utf-8").splitlines():
            await _holds(gateway, json.loads(line))
        assert await gateway.stop() == 0
        assert not gateway.noise, "\n".join(gateway.log)


async def _holds(gateway: Gateway, expected: dict[str, Any]) -> None:
    async def looks_like_it() -> bool:
        twin = await gateway.twin(expected["device"])
        if "state" in expected:
            return twin["state"] == expected["state"] and expected.get("reason", "") in twin["reason"]
        row = twin["values"].get(expected["resource"], {})
        wanted = {key: expected[key] for key in ("value", "quality") if key in expected}
        return {key: row.get(key) for key in wanted} == wanted

    try:
        await gateway.until(looks_like_it)
    except TimeoutError:
        pytest.fail(f"{expected} did not come true: {await gateway.twin(expected['device'])}")


def _listens(config: Path, port: int) -> None:
    config.write_text(f"{config.read_text('utf-8')}\napi: {{listen: '127.0.0.1:{port}'}}\n", "utf-8")


@contextlib.asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Gateway]:
    port = free_port()
    config = folder / "gateway.yaml"
    _listens(config, port)
    gateway = Gateway(folder, f"http://127.0.0.1:{port}")
    try:
        await gateway.start()
        yield gateway
    finally:
        await gateway.close()


def _fill_in(folder: Path, ports: dict[str, str]) -> None:
    for file in folder.rglob("*"):
        if file.suffix in ENDINGS:
            text = file.read_bytes()
            for name in set(re.findall(rb"\{port:([^}]+)\}", text)):
                text = text.replace(b"{port:%b}" % name, ports[name.decode()].encode())
            file.write_bytes(re.sub(rb"\{byte:(..)\}", lambda found: bytes.fromhex(found[1].decode()), text))
