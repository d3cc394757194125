"""`southgate replay`: the readings this version gives for a recorded line, equal byte for byte when they are equal."""

import argparse
import base64
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.cli.output import Output
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import load_profile
from gateway.model.reading import Event
from gateway.model.recording import load_recording
from gateway.runtime.replay import Replayed, replay
from mappers import Switchboard
from simulators.library import shipped_profile

EXAMPLES = """  southgate replay line.jsonl                           every reading, as JSON Lines
  southgate replay line.jsonl > readings.jsonl          kept, to compare with another version
  southgate replay line.jsonl --expected readings.jsonl
  southgate replay line.jsonl --profile meter.yaml      with a changed profile
  southgate replay line.jsonl --json | jq .missing      requests that were never recorded"""
MOST_SHOWN = 100
"""Lines of a difference, or entries of a list."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="what southgate record wrote")
    parser.add_argument(
        "--profile",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="instead of the recorded one of its name",
    )
    parser.add_argument("--expected", type=Path, metavar="FILE", help="readings of another time; shows what differs")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it gave readings, and the expected ones where some are; 1 when a reading differs, when this version asks
    what was never recorded, or when nothing in the recording belongs to a poll."""
    recording = load_recording(_read(options.file), str(options.file))
    others = [load_profile(_read(path), str(path)).value for path in options.profile]
    recording = replace(recording, profiles=[*recording.profiles, *others])
    try:
        found = replay(recording, Switchboard(), shipped_profile)
    except ConfigError as error:
        raise ConfigError(
            [p if p.file else Problem(p.where, p.what, str(options.file)) for p in error.problems]
        ) from None
    lines = list(readings(found.events))
    different = list(_difference(options, lines)) if options.expected else []
    output.result(
        {
            "readings": [json.loads(line) for line in lines],
            "missing": found.missing,
            "silent": found.silent,
            "left": found.left,
            **({"difference": different} if options.expected else {}),
        }
    )
    for line in different or ([] if options.expected else lines):
        output.line(line)
    _remarks(found, output)
    if options.expected and not different:
        output.line(f"{len(lines)} readings, all as expected")
    return 1 if different or found.missing or not found.events else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def readings(events: Sequence[Event]) -> Iterator[str]:
    """One line for each value: origin, device, source, resource, value, and quality where it is not good."""
    for event in events:
        for position, (name, value) in enumerate(zip(event.names(), event.values, strict=True)):
            line: dict[str, Any] = {
                "origin": event.origin,
                "device": event.source.device,
                "source": event.source.name,
                "resource": name,
                "value": value,
            }
            quality = (event.quality or {}).get(position)
            if quality is not None:
                line["quality"] = [part for part in quality if part]
            yield json.dumps(line, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _difference(options: argparse.Namespace, lines: Sequence[str]) -> Iterator[str]:
    """As `diff -u`, the expected first."""
    expected = _read(options.expected).decode(errors="replace").splitlines()
    if expected == lines:
        return
    shown = difflib.unified_diff(expected, lines, str(options.expected), "this version", lineterm="", n=1)
    yield from islice(shown, MOST_SHOWN)


def _remarks(found: Replayed, output: Output) -> None:
    """What was asked and not recorded, and what was recorded and not asked."""
    for request in found.missing[:MOST_SHOWN]:
        output.error(f"{request}: never recorded, so its values are not known; this version asks otherwise than then")
    notes = [f"of this poll nothing was recorded: {poll}" for poll in found.silent[:MOST_SHOWN]]
    notes += [f"a poll is left out: {why}" for why in found.cut[:MOST_SHOWN]]
    if found.left:
        few = ", ".join(dict.fromkeys(found.left[:MOST_SHOWN]))
        notes.append(f"{len(found.left)} requests belong to no poll (people, probes, what was under way): {few}")
    if not found.events:
        notes.append("nothing in this recording begins a poll of its devices")
    output.problems(Problem("", note, severity="note") for note in notes)
