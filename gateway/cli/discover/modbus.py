"""`southgate discover modbus`: who is there, what it says it is, and a profile for what speaks SunSpec."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.cli.discover.watching import INTERRUPTED, count, run_watched, seconds, wipe
from gateway.cli.discover.writing import add_out, check_folder, show
from gateway.cli.output import Output
from gateway.model.errors import NotConnected

if TYPE_CHECKING:
    from gateway.cli.discover.modbusfound import Findings
    from mappers.modbus.discovery.discover import Job
    from mappers.modbus.discovery.scan import Found, Scan

EXAMPLES = """  southgate discover modbus 192.168.1.5                      one host; the likely unit ids
  southgate discover modbus 192.168.1.0/24 --out found        a range; writes profiles and a device list
  southgate discover modbus 192.168.1.10-50 --ports 502,1502 --units 1-10
  southgate discover modbus /dev/ttyUSB0                      a serial line: common settings, units 1 to 32
  southgate discover modbus /dev/ttyUSB0 --framing rtu,ascii  and ASCII lines
  southgate discover modbus usb:0403:6001 --baud 19200 --parity E --units 1-247     by name: southgate ports
  southgate discover modbus 192.168.1.0/24 --requests 5 --connects 5 --at-once 2     very politely"""
WHAT = "find devices on a network or a serial line, and write profiles for what speaks SunSpec"


def add(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--timeout", type=seconds, default="500ms", help="longest wait for an answer")
    parser.add_argument("--connect-timeout", type=seconds, default="1s", help="longest wait for a connection")
    parser.add_argument("--connects", type=_rate, default="20", help="at most so many new connections a second")
    parser.add_argument("--requests", type=_rate, default="20", help="at most so many requests a second")
    parser.add_argument("--at-once", type=count(256), default="16", help="at most so many places at the same time")
    parser.add_argument("--writable", action="store_true", help="profiles may write what SunSpec says can be written")
    add_out(parser)


def _rate(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.01 <= found <= 1000:
        raise argparse.ArgumentTypeError(f"{text}: expected 0.01 to 1000 a second")
    return found


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when a device was found, 1 when none was, 3 when a serial port or the only host cannot be reached, 130 when it
    was interrupted; what was found until then is shown and written."""
    from gateway.cli.discover.modbusfound import Findings
    from mappers.modbus.discovery.discover import Line, jobs

    line = Line(options.baud, options.parity, options.stopbits)
    asked = jobs(options.targets, options.ports, options.units, line, options.framing)
    if options.out is not None:
        check_folder(options.out)
    scan = _scan(options, output)
    work, shown = scan.run(asked, options.every_setting), _progress(scan, _units(asked))
    interrupted = asyncio.run(run_watched(work, shown, scan.clock))
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
    from gateway.cli.discover.modbusfound import library, line_of
    from gateway.runtime.clock import SystemClock
    from mappers.modbus.discovery.scan import Manners, Scan

    def heard(found: "Found") -> None:
        wipe()
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


def _units(asked: "list[Job]") -> int:
    return sum(len(place.units) for job in asked for place in job)


def _progress(scan: "Scan", total: int) -> Callable[[], str]:
    begin = scan.clock.monotonic()

    def text() -> str:
        spent = scan.clock.monotonic() - begin
        left = spent * (total - scan.asked) / scan.asked if scan.asked else 0.0
        so_far = f"{scan.asked} of {total} units asked, {len(scan.found)} found, {spent:.0f} s"
        return f"{so_far}{f', about {left:.0f} s left' if left else ''}"

    return text


def _show(findings: "Findings", written: list[str], scan: "Scan", output: Output) -> None:
    for found in findings.found:
        for text in findings.remarks(found):
            output.line(f"  {findings.name(found)}: {text}")
    for text in findings.alike():
        output.line(text)
    for place, units in scan.gateways.items():
        output.line(f"{place}: a gateway answers for {units} units that are not there")
    if findings.found:
        show(written, findings.profiles, findings.devices, output)


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
