"""`southgate simulate`: devices that are not there, served from their own profiles."""

import argparse
import asyncio
import sys
from pathlib import Path

from gateway.cli.numbers import milliseconds, seconds
from gateway.cli.output import Output
from gateway.cli.parameters import add_parameters
from gateway.cli.stop import until_stopped
from simulators.options import SimulateOptions
from simulators.options import run as serve
from simulators.world import Running

EXAMPLES = """  southgate simulate eastron-sdm630                       a shipped profile on a free port
  southgate simulate my-device.yaml --port 5020 --count 3  ports 5020, 5021, 5022
  southgate simulate xy-md02 waveshare-modbus-rtu-relay --rtu --devices devices/simulated.yaml
  southgate simulate eastron-sdm630 --delay 20 --fault hole=52-53
  southgate simulate my-meter.yaml --parameter ct_ratio=80 --count 3 --parameter "base=[1000, 1100, 1200]"
  southgate simulate opc-energy-meter --port 4840 --devices devices/simulated.yaml
  southgate simulate microsoft-opc-plc --policy Basic256Sha256 --user operator:secret --fault restart=60s
  southgate simulate --world plant.yaml"""
FAULTS = (
    "Modbus: silence, drop, garbage, wrong-unit, exception=4, delay=20ms, hole=10-20 or hole=input:10-20 (holding, "
    "input, coil, discrete), every=3 (only every third request suffers). OPC UA: silence, frozen, mute, "
    "delay=20ms, bad=RESOURCE or bad=RESOURCE:BadSensorFailure, delete=RESOURCE, restart=60s, shuffle=60s, drop=60s. "
    "May be repeated"
)
POLICIES = (
    "OPC UA: None, Basic256Sha256 … with both modes, or Basic256Sha256/Sign; may be repeated; default: None and all "
    "that are not broken"
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help="profile file, or name of a shipped profile")
    parser.add_argument("--world", type=Path, help="world file: devices, lines, behaviours, faults")
    parser.add_argument("--port", type=int, default=0, help="first TCP port; default: free ones")
    parser.add_argument("--unit", type=int, default=1, help="(first) unit id; default 1")
    parser.add_argument("--rtu", action="store_true", help="all on one serial line, over a pty that is opened for it")
    parser.add_argument("--count", type=int, default=1, help="so many devices of every profile")
    parser.add_argument(
        "--delay", type=milliseconds, default=0.0, metavar="MS", help="every answer takes so many milliseconds"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help=FAULTS)
    parser.add_argument("--policy", action="append", default=[], metavar="POLICY", help=POLICIES)
    parser.add_argument(
        "--user", action="append", type=_user, default=[], metavar="NAME:PASSWORD", help="OPC UA: lets only these in"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other values")
    add_parameters(parser, "; [1, 2, 3]: one for each of --count")
    parser.add_argument("--for", dest="seconds", type=seconds, help="end after so many seconds")
    parser.add_argument(
        "--devices", type=Path, metavar="FILE", help="write a device list that points at what is served"
    )


def _user(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not name or not colon:
        raise argparse.ArgumentTypeError(f"expected a name and a password, such as operator:secret, got {text!r}")
    return name, password


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it was ended by the user or the time."""
    return asyncio.run(until_stopped(_serve(options, output)))


async def _serve(options: argparse.Namespace, output: Output) -> int:
    """Its time begins when there is something to talk to."""
    chosen = SimulateOptions(
        profiles=tuple(options.profiles),
        world=options.world,
        port=options.port,
        unit=options.unit,
        rtu=options.rtu,
        count=options.count,
        delay=options.delay / 1000,
        faults=tuple(options.fault),
        seed=options.seed,
        policies=tuple(options.policy),
        users=dict(options.user),
        parameters=dict(options.parameter),
        devices=options.devices,
    )
    limit = asyncio.timeout(None)

    def ready(running: Running) -> None:
        _show(running, options.devices, output)
        if options.seconds is not None:
            limit.reschedule(asyncio.get_running_loop().time() + options.seconds)

    try:
        async with limit:
            await serve(chosen, ready=ready)
    except TimeoutError:
        if not limit.expired():
            raise
    return 0


def _show(running: Running, written: Path | None, output: Output) -> None:
    served = list(running.devices.values())
    output.result(
        [{"device": s.name, "endpoint": s.address, "unit": s.number, "profile": s.profile.name} for s in served]
    )
    rows = [[s.name, s.address, "" if s.number is None else s.number, s.profile.name] for s in served]
    output.table(["DEVICE", "ENDPOINT", "UNIT", "PROFILE"], rows)
    if written:
        output.line(f"device list: {written}")
    sys.stdout.flush()
