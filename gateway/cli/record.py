"""`southgate record`: what goes over a line, byte by byte, into a file that can be replayed and handed in as a bug."""

import argparse
import asyncio
import contextlib
import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Self, TextIO
from urllib.parse import urlencode

from gateway.cli.offline import registry_of
from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment
from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError, NotConnected
from gateway.model.reading import Batch
from gateway.model.recording import MOST_SECONDS, Recording, frame_text, head_text, load_recording, redacted
from gateway.runtime.clock import SystemClock
from gateway.runtime.lanes.running import RunningLanes
from gateway.runtime.recorder import Recordings
from mappers import Switchboard

EXAMPLES = """  southgate record meter-1                         its line for a minute, into meter-1.jsonl
  southgate record /dev/ttyUSB0 --for 10m --out line.jsonl
  southgate record meter-1 --redact                without names of devices and of where they are
  southgate record meter-1 --folder plant          while no gateway runs: asks the devices itself
  southgate replay meter-1.jsonl                   what the gateway makes of it"""

Take = Callable[[str], None]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="device, or connection such as 192.168.1.5:502 or /dev/ttyUSB0")
    parser.add_argument(
        "--for", dest="seconds", type=_seconds, default="60s", help="how long, such as 30s or 10m (60s)"
    )
    parser.add_argument("--out", type=Path, help="file to write, never one that is there; default: NAME.jsonl")
    parser.add_argument(
        "--redact", action="store_true", help="leave out names of devices and where they are; values stay in the frames"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="gateway.yaml, its folder or a device list: ask its devices without a running gateway",
    )
    add_options(parser)


def _seconds(text: str) -> float:
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0 < found <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text}: a recording takes up to 24h")
    return found


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when something was recorded, also when Ctrl-C ended it; 1 when nothing went over the line."""
    path = options.out or Path(f"{options.name.strip('/').replace('/', '-').replace(':', '-')}.jsonl")
    if path.exists():
        raise ConfigError(f"{path} is there already; name another file with --out")
    source = _from_folder if options.folder else _from_gateway
    lines: list[str] = []
    with _File(path) as file:

        def take(text: str) -> None:
            lines.append(text)
            if not options.redact:
                file.write(text)

        try:
            source(options, take)
        except (KeyboardInterrupt, NotConnected):  # what was recorded until then is a recording, too
            if not lines:
                raise
        recording = load_recording("".join(lines).encode(), str(path))
        if options.redact:
            recording = redacted(recording, Switchboard().by_service(recording.service).keys)
            file.write(head_text(recording) + "".join(map(frame_text, recording.frames)))
    return _summary(recording, path, output)


class _File:
    """Is there from the first line on, so that a refusal leaves none behind and a power cut all that was recorded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, text: str) -> None:
        """Raises ConfigError: it is there already, or the disk refuses."""
        try:
            if self._file is None:
                self._file = self._path.open("x", encoding="utf-8", buffering=1)
            self._file.write(text)
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}") from None


def _from_gateway(options: argparse.Namespace, take: Take) -> None:
    path = f"/gateway/api/v1/recording/{segment(options.name)}?{urlencode({'seconds': options.seconds})}"
    for line in Remote(options).lines(path):
        if line.strip():
            take(line.decode())


def _from_folder(options: argparse.Namespace, take: Take) -> None:
    logging.getLogger("gateway.runtime.configuration.registry").addHandler(logging.NullHandler())
    asyncio.run(_while_asking(options, take))


async def _while_asking(options: argparse.Namespace, take: Take) -> None:
    """The lanes are those of a running gateway; only this connection is opened."""
    registry, settings = await registry_of(options.folder)
    clock, protocols = SystemClock(), Switchboard(settings.aliases, place=settings.place)
    recordings = Recordings(protocols, registry, clock, settings.compat, version("southgate"))
    recorder = recordings.of(options.name, options.seconds)
    lanes = RunningLanes(protocols, _nobody, clock, settings.compat)
    running: asyncio.Task[None] | None = None
    async with contextlib.aclosing(recorder.lines()) as lines:
        try:
            async for text in lines:
                take(text)
                if running is None:
                    await lanes.apply(recorder.devices)
                    running = asyncio.create_task(lanes.run())
        finally:
            if running is not None:
                running.cancel()
                await asyncio.wait([running])


def _nobody(batch: Batch) -> None:
    """Nobody wants the values."""


def _summary(recording: Recording, path: Path, output: Output) -> int:
    requests = sum(frame.kind == "sent" for frame in recording.frames)
    why = next((frame.value for frame in recording.frames if frame.kind == "end"), "it was interrupted")
    names = [device.name for device in recording.devices]
    seconds = recording.frames[-1].at if recording.frames else 0.0
    output.result({"file": str(path), "devices": names, "requests": requests, "seconds": seconds, "end": why})
    output.line(
        f"{path}: {requests} requests of {', '.join(names)} in {seconds:.1f} s; ends because {why or 'it is time'}"
    )
    if not requests:
        output.error(
            "nothing went over this line: does anything on it have autoEvents, is it LOCKED, are its intervals longer "
            "than --for? southgate devices says what runs"
        )
        return 1
    output.line(f"what the gateway makes of it: southgate replay {path}")
    return 0
