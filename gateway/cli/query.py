"""`southgate query`: an analyst's SELECT over all that is kept, answered by a running gateway."""

import argparse
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options
from gateway.model.asking import MEDIA
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate query "SELECT time, value FROM readings WHERE device = 'boiler' ORDER BY time DESC LIMIT 10"
  southgate query "SELECT date_trunc('day', time) AS day, avg(mean) FROM hour WHERE resource = 'Power' GROUP BY day"
  southgate query "SELECT * FROM messages WHERE kind = 'alarm'" --format csv --out alarms.csv
  southgate query --file question.sql --format arrow --out answer.arrows
  southgate query "DESCRIBE readings" """
PATIENCE_S = 900.0


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sql", nargs="?", default="", help="one SELECT over the views readings, minute, hour, messages, devices"
    )
    parser.add_argument("--file", type=Path, help="file with the SELECT instead")
    parser.add_argument("--format", choices=["table", *MEDIA], default="table", help="default: a table to look at")
    parser.add_argument("--out", type=Path, help="file to write to; default: standard output")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it was answered."""
    form = "json" if options.format == "table" else options.format
    body = json.dumps({"sql": _sql(options), "format": form}).encode()
    if options.format == "table" and options.out is None:
        _show(json.loads(Remote(options).exchange("POST", "/gateway/api/v1/query", body, timeout=PATIENCE_S)), output)
        return 0
    with Remote(options).answer("POST", "/gateway/api/v1/query", body, PATIENCE_S) as answer:
        _write(answer, options.out)
    return 0


def _sql(options: argparse.Namespace) -> str:
    if bool(options.sql) == bool(options.file):
        raise ConfigError("give a SELECT, or --file with one")
    if options.sql:
        return str(options.sql)
    try:
        return str(options.file.read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{options.file} cannot be read: {error}") from None


def _show(found: dict[str, Any], output: Output) -> None:
    output.result(found)
    output.table(found["columns"], found["rows"])
    output.line(f"({len(found['rows'])} rows)")


def _write(answer: BinaryIO, path: Path | None) -> None:
    """A file is whole, or not there."""
    if path is None:
        shutil.copyfileobj(answer, sys.stdout.buffer)
        return
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("wb") as file:
            shutil.copyfileobj(answer, file)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            fresh.unlink()
