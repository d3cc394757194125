"""`southgate devices export` and `import`: many devices as CSV, of a running gateway or of its folder."""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gateway.cli.offline import learned, registry_over, settings_of
from gateway.cli.output import Output
from gateway.cli.remote import Refused, Remote
from gateway.model.csvtext import MAX_BYTES
from gateway.model.errors import ConfigError, Problem
from gateway.runtime.clock import SystemClock
from gateway.runtime.configuration.bulk import Fate, Import, Outcome, exported
from gateway.runtime.configuration.files import Folders
from gateway.runtime.configuration.registry import FileRegistry

ROUTE = "/gateway/api/v1/devices.csv"
PATIENCE = 1800.0
"""Seconds; a hundred thousand new devices are all planned before the gateway answers."""
T = TypeVar("T")


def export(options: argparse.Namespace, output: Output) -> int:
    """0 when the file is written."""
    if options.folder:
        content = _run(_from_folder(options.folder)).encode()
    else:
        content = Remote(options).exchange("GET", ROUTE, timeout=PATIENCE)
    if str(options.file) == "-":
        sys.stdout.write(content.decode())
        return 0
    _write(options.file, content)
    rows = max(0, content.count(b"\r\n") - 1)
    output.result({"file": str(options.file), "devices": rows})
    output.line(f"{rows} devices: {options.file}")
    return 0


def load(options: argparse.Namespace, output: Output) -> int:
    """0 when all of it is (or would be) done, 1 when a row was refused."""
    raw = _read(options.file)
    local = options.folder is not None
    answer = _json(_run(_into_folder(options, raw)), options.dry_run) if local else _asked(options, raw)
    output.result(answer)
    output.problems(Problem(**{**problem, "file": str(options.file)}) for problem in answer["problems"])
    for row in answer["rows"]:
        _tell(output, row, options.file, answer["applied"])
    sums = ", ".join(f"{answer[fate.value]} {fate.value}" for fate in Fate)
    done = "nothing is written (dry run)" if options.dry_run else "done" if answer["applied"] else "nothing was changed"
    output.line(f"{sums}: {done}")
    wrong = any(problem["severity"] == "error" for problem in answer["problems"])
    return 1 if answer[Fate.REFUSED.value] or wrong else 0


def _tell(output: Output, row: Mapping[str, Any], file: Path, applied: bool) -> None:
    if row["verdict"] == Fate.REFUSED.value:
        column = f", column {row['column']}" if row["column"] else ""
        what = f"{row['name']}: {row['why']}" if row["name"] else row["why"]
        output.problems([Problem(f"row {row['row']}{column}", what, str(file), row["line"])])
    elif row["verdict"] != Fate.UNCHANGED.value:
        output.line(f"{'' if applied else 'would be '}{row['verdict']:8} {row['name']}")


def _asked(options: argparse.Namespace, raw: bytes) -> dict[str, Any]:
    flags = f"dry_run={str(options.dry_run).lower()}&partial={str(options.partial).lower()}"
    try:
        found = json.loads(Remote(options).exchange("POST", f"{ROUTE}?{flags}", raw, "text/csv", PATIENCE))
    except Refused as refused:
        found = refused.body
        if "rows" not in found and "problems" in found:
            raise ConfigError([Problem(**problem) for problem in found["problems"]]) from None
        if "rows" not in found:
            raise
    answer: dict[str, Any] = found
    return answer


# ------------------------------------------------------------------------------------------------------- the folder


def _run(work: Coroutine[Any, Any, T]) -> T:
    logging.getLogger("gateway.runtime.configuration.registry").addHandler(logging.NullHandler())
    return asyncio.run(work)


async def _registry(path: Path) -> FileRegistry:
    """Over the folders of a gateway that does not run. Raises ConfigError."""
    settings = settings_of(path).gateway
    return await registry_over(Folders(settings.profiles, settings.devices), settings, learned(settings.data))


async def _from_folder(path: Path) -> str:
    registry = await _registry(path)
    return "".join([piece async for piece in exported(registry.current.devices, SystemClock())])


async def _into_folder(options: argparse.Namespace, raw: bytes) -> Outcome:
    registry = await _registry(options.folder)
    return await Import(registry, SystemClock(), options.dry_run, options.partial).run(raw, str(options.file))


def _json(outcome: Outcome, dry_run: bool) -> dict[str, Any]:
    """As the API answers."""
    return {
        "applied": outcome.applied,
        "dry_run": dry_run,
        **outcome.counts(),
        "problems": [
            {"where": p.where, "what": p.what, "line": p.line, "severity": p.severity} for p in outcome.problems
        ],
        "rows": [
            {"row": v.row, "line": v.line, "name": v.name, "verdict": v.fate.value, "column": v.column, "why": v.why}
            for v in outcome.verdicts
        ],
    }


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read()
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError([Problem("", f"is larger than {MAX_BYTES:,} bytes; divide it", str(file))])
        return file.read_bytes()
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}", str(file))]) from None


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError([Problem("", f"cannot be written: {error.strerror}", str(file))]) from None
