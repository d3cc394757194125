"""`southgate ports`: which serial ports there are, what to call them, whether they could be opened."""

import argparse
from pathlib import Path

from gateway.cli.output import Output
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate ports
  southgate ports usb:0403:6001:A50285BI           which port that is now, and what stands in the way
  southgate ports /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0
  southgate ports --json | jq -r '.[].address'"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", nargs="?", help="only this one, as a device's Address names it")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when there is a serial port, 1 when there is none, 3 when the address names none."""
    from mappers.modbus.line.port import Port, find, name_of, ports, there_is
    from mappers.modbus.line.porttrouble import state

    known = ports()
    chosen = known
    if options.address is not None:
        try:
            path = Path(find(options.address))
        except ValueError as error:
            raise ConfigError(str(error)) from None
        chosen = [port for port in known if port.path.resolve() == path.resolve()] or [Port(path)]
    rows = [(name_of(port, known) or str(port.path), port, state(str(port.path))) for port in chosen]
    output.result(
        [
            {"address": address, "path": str(port.path), "adapter": port.maker, "state": said}
            for address, port, said in rows
        ]
    )
    if not rows:
        output.error(there_is(known))
        return 1
    output.table(
        ["ADDRESS", "PATH", "ADAPTER", "STATE"],
        [[address, port.path, port.maker or "-", said] for address, port, said in rows],
    )
    return 0
