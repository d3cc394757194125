"""`southgate import`: profiles and devices out of what people have, and a report of what could not be carried over."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.cli.output import Output
from gateway.importers import FORMATS, importer
from gateway.importers.draft import file_name, is_duration
from gateway.importers.report import Imported
from gateway.importers.wishes import Wishes
from gateway.model.csvtext import MAX_BYTES
from gateway.model.document import many_objects
from gateway.model.dump import dump_devices, dump_profile
from gateway.model.errors import ConfigError, Problem
from mappers.modbus.address import ORDERS

EXAMPLES = """  southgate import telegraf telegraf.conf --out plant
  southgate import thingsboard modbus.json --out plant
  southgate import kepware tags.csv --address 192.168.1.5 --unit 3 --byte-order ABCD
  southgate import table registers.csv --address-base modicon --column scale=Gain
  southgate import edgex-v2 meter.profile.yaml --address /dev/ttyUSB0 --baud 19200 --parity E
  southgate check imported"""


def add(parser: argparse.ArgumentParser) -> None:
    formats = "; ".join(f"{name}: {text}" for name, (_, text) in FORMATS.items())
    parser.add_argument("format", choices=sorted(FORMATS), help=formats)
    parser.add_argument("file", type=Path, help="the file")
    parser.add_argument("--out", type=Path, default=Path("imported"), help="folder for profiles/ and devices/")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--lenient", action="store_true", help="exit code 0 also when something was left out")
    parser.add_argument("--profile", help="name of the profile; default: after the file")
    parser.add_argument("--device", help="name of the device; default: after the profile")
    parser.add_argument("--address", help="host, host:port or serial port, where the file does not say")
    parser.add_argument("--port", type=int, default=502, help="TCP port")
    parser.add_argument("--unit", type=int, default=1, help="unit id")
    parser.add_argument("--baud", type=int, default=9600, help="baud rate of a serial port")
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N", help="parity of a serial port")
    parser.add_argument("--interval", help="how often values are read; default: as the file says, else 10s")
    parser.add_argument("--address-base", help="what addresses count from: 0, 1, modicon (40001 is a holding register)")
    parser.add_argument("--byte-order", choices=ORDERS, help="of 32 and 64 bits, where the file does not say")
    parser.add_argument("--table", help="holding, input, coil or discrete, where a table does not say")
    parser.add_argument(
        "--column", action="append", default=[], metavar="NAME=HEADING", help="which column of a table is what"
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when all of the file was carried over; 1 when something was left out (not with --lenient); 2 when the file is
    not of this format, or something has to be said with an option."""
    wishes = _wishes(options)
    content = _content(options.file)
    with many_objects():
        imported = importer(options.format).read(content, str(options.file), wishes)
    written = _write(options, imported)
    _tell(imported, output, written)
    if not imported.profiles:
        return 1
    output.line(f"next: southgate check {options.out}")
    return 1 if imported.report.left_count and not options.lenient else 0


def _wishes(options: argparse.Namespace) -> Wishes:
    columns = {}
    for given in options.column:
        name, equals, heading = given.partition("=")
        if not equals or not heading.strip():
            raise ConfigError(f"--column {given}: write it as scale=Gain, our name of the column and its heading")
        columns[name.strip()] = heading
    if options.interval and not is_duration(options.interval):
        raise ConfigError(f"--interval {options.interval}: a duration such as 500ms, 10s or 1m was expected")
    return Wishes(
        profile=options.profile or "",
        device=options.device or "",
        address=options.address or "",
        port=options.port,
        unit=options.unit,
        baud_rate=options.baud,
        parity=options.parity,
        interval=options.interval or "",
        address_base=options.address_base or "",
        byte_order=options.byte_order or "",
        table=options.table or "",
        columns=columns,
    )


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError([Problem("", f"is larger than {MAX_BYTES:,} bytes; divide it", str(file))])
        return file.read_bytes()
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}", str(file))]) from None


def _write(options: argparse.Namespace, imported: Imported) -> list[Path]:
    """All files, or none when one is there already. Raises ConfigError."""
    note = f"# Carried over from {options.file.name} by southgate import {options.format}.\n"
    files: dict[Path, str] = {}
    for profile in imported.profiles:
        path = _free(options.out / "profiles", file_name(profile.name), files)
        files[path] = note + dump_profile(profile)
    if imported.devices:
        path = options.out / "devices" / f"{file_name(options.device or options.file.stem)}.yaml"
        files[path] = note + dump_devices(imported.devices)
    there = [path for path in files if path.exists()]
    if there and not options.force:
        raise ConfigError([Problem("", "is there already; --force replaces it", str(path)) for path in there])
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename}: {error.strerror}") from None
    return list(files)


def _free(folder: Path, name: str, taken: Iterable[Path]) -> Path:
    """Names that differ may make file names that do not, also on disks that know no upper case."""
    used = {path.name.lower() for path in taken}
    names = (name if n == 1 else f"{name}-{n}" for n in range(1, len(used) + 2))
    return folder / next(f"{one}.yaml" for one in names if f"{one}.yaml".lower() not in used)


def _tell(imported: Imported, output: Output, written: list[Path]) -> None:
    report = imported.report
    lefts, notes = report.lefts(), report.notes()
    output.result(
        {
            "profiles": {p.name: [r.name for r in p.device_resources] for p in imported.profiles},
            "devices": [device.name for device in imported.devices],
            "files": [str(path) for path in written],
            "left_out": report.left_count,
            "left": [_json(problem) for problem in lefts],
            "notes": [_json(problem) for problem in notes],
        }
    )
    output.problems(notes)
    output.problems(Problem(p.where, f"left out: {p.what}", p.file, p.line, "warning") for p in lefts)
    for profile in imported.profiles:
        writable = sum(resource.properties.read_write.writable for resource in profile.device_resources)
        output.line(f"profile {profile.name}: {len(profile.device_resources)} values, {writable} of them writable")
    for device in imported.devices:
        output.line(f"device {device.name}: profile {device.profile_name}, {', '.join(device.protocols)}")
    for path in written:
        output.line(f"written: {path}")
    output.line(f"left out: {report.left_count}; to look at: {len(notes)}")


def _json(problem: Problem) -> dict[str, Any]:
    return {"where": problem.where, "what": problem.what, "file": problem.file, "line": problem.line}
