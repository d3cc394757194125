"""`southgate discover modbus`: who is there, what it says it is, and a profile for what speaks SunSpec."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.output import Output
from gateway.model.duration import parse_duration
from gateway.model.errors import NotConnected

if TYPE_CHECKING:
    from gateway.cli.found import Findings
    from mappers.modbus.discovery.discover import Job
    from mappers.modbus.discovery.scan import Found, Scan

EXAMPLES = """  southgate discover modbus 192.168.1.5                      one host; the likely unit ids
  southgate discover modbus 192.168.1.0/24 --out found        a range; writes profiles and a device list
  southgate discover modbus 192.168.1.10-50 --ports 502,1502 --units 1-10
  southgate discover modbus /dev/ttyUSB0                      a serial line: common settings, units 1 to 32
  southgate discover modbus /dev/ttyUSB0 --framing rtu,ascii  and ASCII lines
  southgate discover modbus usb:0403:6001 --baud 19200 --parity E --units 1-247     by name: southgate ports
  southgate discover modbus 192.168.1.0/24 --requests 5 --connects 5 --at-once 2     very politely"""
INTERRUPTED = 130
EVERY_S = 0.2
"""Between two looks of the progress line."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("protocol", choices=["modbus"], help="what to speak")
    what = (
        "host, HOST:PORT, 192.168.1.10-50, 192.168.1.0/24 (at most 4096 addresses), a serial port's path or usb: name"
    )
    parser.add_argument("targets", nargs="+", metavar="TARGET", help=what)
    parser.add_argument("--ports", default="502", help="TCP ports, such as 502,1502")
    units = "unit ids, such as 1-247; default: over TCP the likely ones until one answers, on a serial line 1-32"
    parser.add_argument("--units", default="", help=units)
    parser.add_argument("--baud", default="9600,19200,38400,115200", help="baud rates to try on a serial line")
    parser.add_argument("--parity", default="N,E", help="parities to try: N, E, O")
    parser.add_argument("--stopbits", default="1", help="stop bits to try: 1, 2")
    parser.add_argument("--every-setting", action="store_true", help="go on with other settings after an answer")
    framing = "framings to try: tcp, rtu, ascii; default: over TCP tcp, then rtu (converters), on a serial line rtu"
    parser.add_argument("--framing", default="", help=framing)
    parser.add_argument("--timeout", type=_seconds, default="500ms", help="longest wait for an answer")
    parser.add_argument("--connect-timeout", type=_seconds, default="1s", help="longest wait for a connection")
    parser.add_argument("--connects", type=_rate, default="20", help="at most so many new connections a second")
    parser.add_argument("--requests", type=_rate, default="20", help="at most so many requests a second")
    parser.add_argument("--at-once", type=_count, default="16", help="at most so many places at the same time")
    parser.add_argument("--writable", action="store_true", help="profiles may write what SunSpec says can be written")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write profiles and device list to a new folder")


def _seconds(text: str) -> float:
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0.01 <= found <= 60:
        raise argparse.ArgumentTypeError(f"{text}: expected 10ms to 1m")
    return found


def _rate(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.01 <= found <= 1000:
        raise argparse.ArgumentTypeError(f"{text}: expected 0.01 to 1000 a second")
    return found


def _count(text: str) -> int:
    found = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= found <= 256:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 256")
    return found


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when a device was found, 1 when none was, 3 when a serial port or the only host cannot be reached, 130 when it
    was interrupted; what was found until then is shown and written."""
    from gateway.cli.found import Findings, check_folder
    from mappers.modbus.discovery.discover import Line, jobs

    line = Line(options.baud, options.parity, options.stopbits)
    asked = jobs(options.targets, options.ports, options.units, line, options.framing)
    if options.out is not None:
        check_folder(options.out)
    scan = _scan(options, output)
    interrupted = asyncio.run(_until_stopped(scan, asked, options.every_setting))
    findings = Findings(scan.found, options.writable)
    written = findings.write(options.out) if options.out is not None and scan.found else []
    _show(findings, written, scan, output)
    output.result(
        {
            "found": findings.json(),
            "unreachable": scan.unreachable,
            "silent": scan.silent,
            "gateways": scan.gateways,
            "interrupted": interrupted,
            **({"written": written} if options.out else {"profiles": findings.profiles, "devices": findings.devices}),
        }
    )
    if interrupted:
        output.error(f"interrupted after {scan.asked} of {_units(asked)} units; shown is what was found until then")
        return INTERRUPTED
    return 0 if scan.found else _nothing(scan, asked, output)


def _scan(options: argparse.Namespace, output: Output) -> "Scan":
    from gateway.cli.found import library, line_of
    from gateway.runtime.clock import SystemClock
    from mappers.modbus.discovery.scan import Manners, Scan

    def heard(found: "Found") -> None:
        _wipe()
        output.line(line_of(found))
        if not output.json:
            sys.stdout.flush()

    manners = Manners(
        connects=options.connects,
        requests=options.requests,
        at_once=options.at_once,
        timeout=options.timeout,
        connect_timeout=options.connect_timeout,
    )
    return Scan(manners, SystemClock(), library(), heard)


async def _until_stopped(scan: "Scan", asked: "list[Job]", every: bool) -> bool:
    """Whether somebody stopped it: Ctrl-C or a signal ends it at once, and nothing that was found is lost."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(scan.run(asked, every))
    ended = asyncio.create_task(stop.wait())
    progress = asyncio.create_task(_progress(scan, _units(asked)))
    await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
    interrupted = not running.done()
    for task in (running, ended, progress):
        task.cancel()
    results = await asyncio.gather(running, ended, progress, return_exceptions=True)
    _wipe()
    if isinstance(results[0], BaseException) and not isinstance(results[0], asyncio.CancelledError):
        raise results[0]
    return interrupted


def _units(asked: "list[Job]") -> int:
    return sum(len(place.units) for job in asked for place in job)


async def _progress(scan: "Scan", total: int) -> None:
    """One line on the terminal that is written again and again; nothing where nobody watches."""
    if not sys.stderr.isatty():
        return
    begin = scan.clock.monotonic()
    while True:
        spent = scan.clock.monotonic() - begin
        left = spent * (total - scan.asked) / scan.asked if scan.asked else 0.0
        text = f"{scan.asked} of {total} units asked, {len(scan.found)} found, {spent:.0f} s"
        sys.stderr.write(f"\r\x1b[K{text}{f', about {left:.0f} s left' if left else ''}")
        sys.stderr.flush()
        await scan.clock.sleep(EVERY_S)


def _wipe() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _show(findings: "Findings", written: list[str], scan: "Scan", output: Output) -> None:
    for found in findings.found:
        for text in findings.remarks(found):
            output.line(f"  {findings.name(found)}: {text}")
    for text in findings.alike():
        output.line(text)
    for place, count in scan.gateways.items():
        output.line(f"{place}: a gateway answers for {count} units that are not there")
    for path in written:
        output.line(f"written: {path}")
    if written or not findings.found:
        return
    for name, text in findings.profiles.items():
        output.line(f"\n--- profiles/{name}.yaml\n{text.rstrip()}")
    output.line(f"\n--- devices/discovered.yaml\n{findings.devices.rstrip()}")


def _nothing(scan: "Scan", asked: "list[Job]", output: Output) -> int:
    """Says why nothing was found, and what to try."""
    if len(asked) == 1 and len(scan.unreachable) == len({place.shown for place in asked[0]}):
        raise NotConnected(next(iter(scan.unreachable.values())))
    count = len(scan.unreachable)
    output.error(f"no device answered: {count} places cannot be reached, at {len(scan.silent)} nobody answers")
    serial = any(place.key != "modbus-tcp" for job in asked for place in job)
    if serial:
        output.error(
            "serial: other --baud, --parity O, --units 1-247, --framing ascii; A and B swapped? another program on the "
            "port?"
        )
    elif scan.silent:
        shown = ", ".join(scan.silent[:5])
        output.error(f"a port is open at {shown}: try --units 1-247, --timeout 3s; is it Modbus?")
    else:
        output.error("try other --ports (502, 1502, 5020), --connect-timeout 3s; is Modbus TCP enabled in the device?")
    return 1
