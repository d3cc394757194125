"""`southgate discover opcua`: how a server can be reached, what is on it, and a device profile of that."""

import argparse
import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.discover.watching import INTERRUPTED, count, run_watched, seconds, within
from gateway.cli.discover.writing import add_out, check_folder, show, write
from gateway.cli.output import Output
from gateway.cli.remote import HERE
from gateway.model.device import Device
from gateway.model.dump import dump_devices
from gateway.model.errors import ConfigError
from gateway.model.names import check_name
from gateway.model.place import Place

if TYPE_CHECKING:
    from mappers.opcua.discovery.scan import Scan
    from mappers.opcua.discovery.servers import Answer

WHAT = "say how an OPC UA server can be reached, browse it, and write a profile of its values"
EXAMPLES = """  southgate discover opcua opc.tcp://192.168.1.5:4840                  everything but the server itself
  southgate discover opcua opc.tcp://192.168.1.5:4840 --endpoints        only how it can be reached
  southgate discover opcua opc.tcp://press:4840 --path '/Press/**/Temp*' --path /Press/Axis1 --out found
  southgate discover opcua opc.tcp://press:4840 --node 'nsu=urn:acme:press;s=Axis1' --writable
  southgate discover opcua opc.tcp://press:4840 --user otto --password-file secrets/otto --config gateway.yaml
  southgate discover opcua opc.tcp://plc:4840 --allow-none               a server without security"""
HEAD = """# Found by southgate discover opcua, {when}. Give the device a name of your own; then `southgate check`.
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="opc.tcp://HOST:PORT/PATH")
    parser.add_argument("--endpoints", action="store_true", help="only ask how the server can be reached")
    path = "browse path of what is wanted, from the Objects folder: * is part of a name, ? a character, ** any names"
    parser.add_argument("--path", action="append", default=[], metavar="GLOB", help=path)
    parser.add_argument("--node", default="", metavar="NODEID", help="begin here instead of at the Objects folder")
    parser.add_argument("--max", type=count(1_000_000), default="50000", help="look at so many nodes at most")
    parser.add_argument("--depth", type=count(200), default="20", help="look so deep at most")
    parser.add_argument("--time", type=_long, default="10m", help="look so long at most")
    parser.add_argument("--timeout", type=seconds, default="5s", help="longest wait for an answer")
    parser.add_argument("--user", default="", help="user of the session; default: nobody")
    parser.add_argument("--password-file", type=Path, help="file with the user's password")
    parser.add_argument("--policy", default="auto", help="security policy, such as Basic256Sha256; default: the best")
    parser.add_argument("--mode", default="auto", help="Sign or SignAndEncrypt; default: the best")
    parser.add_argument("--allow-none", action="store_true", help="take a server that has no security")
    config = f"gateway whose certificate is shown and whose trust list counts; default {HERE}, if there is one"
    parser.add_argument("--config", type=Path, help=config)
    parser.add_argument("--writable", action="store_true", help="profiles may write what this user may, call methods")
    parser.add_argument("--name", default="", help="name of the profile; default: of the server's product")
    add_out(parser)


def _long(text: str) -> float:
    return within(text, 1, 86_400, "1s to 24h")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when a value was found, 1 when none was, 2 for a path or node that is none, 3 when the server cannot be reached
    or does not let us in, 130 when it was interrupted; what was found until then is shown and written."""
    if options.out is not None:
        check_folder(options.out)
    _check_name(options.name)
    device = _device(options)
    answer = _asked(device, output)
    if options.endpoints:
        output.result(_endpoints(answer))
        return 0
    scan = _scan(options, device)
    interrupted = asyncio.run(run_watched(scan.run(), _progress(scan), scan.clock))
    return _tell(options, scan, device, answer, interrupted, output)


def _check_name(name: str) -> None:
    """Before anything is asked. Raises ConfigError."""
    try:
        check_name(name or "unnamed")
    except ValueError as error:
        raise ConfigError(f"--name: {error}") from None


def _device(options: argparse.Namespace) -> Device:
    """As it will stand in the device list."""
    given: dict[str, Any] = {"Endpoint": options.url}
    wishes = {
        "SecurityPolicy": "" if options.policy == "auto" else options.policy,
        "SecurityMode": "" if options.mode == "auto" else options.mode,
        "AllowNone": options.allow_none,
        "UserName": options.user,
        "PasswordFile": str(options.password_file.resolve()) if options.password_file else "",
        "Timeout": "" if options.timeout == 5.0 else options.timeout,
    }
    given |= {key: value for key, value in wishes.items() if value}
    return Device(name="opcua", service_name="device-opcua", protocols={"opcua": given})


def _asked(device: Device, output: Output) -> "Answer":
    from gateway.runtime.clock import SystemClock
    from mappers.opcua.discovery.servers import ask
    from mappers.opcua.endpoint import Endpoint, reach

    connection, _ = reach(device)
    assert isinstance(connection.settings, Endpoint)
    answer = asyncio.run(ask(connection.settings, SystemClock()))
    for offer in answer.offers:
        output.line(str(offer))
    for server in answer.servers:
        if server.urls:
            output.line(f"server {server.name} ({server.uri}) at {', '.join(server.urls)}")
    return answer


def _endpoints(answer: "Answer") -> dict[str, Any]:
    return {
        "endpoints": [
            {"url": one.url, "policy": one.policy, "mode": one.mode, "users": list(one.users), "level": one.level}
            for one in answer.offers
        ],
        "servers": [{"name": one.name, "uri": one.uri, "urls": list(one.urls)} for one in answer.servers],
    }


def _scan(options: argparse.Namespace, device: Device) -> "Scan":
    from gateway.runtime.clock import SystemClock
    from mappers.opcua.discovery.scan import Scan, wish
    from mappers.opcua.discovery.walk import Limits
    from mappers.opcua.endpoint import reach

    limits = Limits(options.max, options.depth, options.time)
    wanted = wish(options.path, limits, options.node, writable=options.writable)
    return Scan(reach(device)[0], SystemClock(), _place(options.config), wanted)


def _place(config: Path | None) -> Place:
    """Of the gateway whose certificates count."""
    from gateway.config import Settings, load_settings

    config = config or (HERE if HERE.is_file() else None)
    return (load_settings(config) if config else Settings()).gateway.place


def _progress(scan: "Scan") -> Callable[[], str]:
    begin = scan.clock.monotonic()
    return lambda: f"{scan.progress}, {scan.clock.monotonic() - begin:.0f} s"


def _tell(
    options: argparse.Namespace, scan: "Scan", device: Device, answer: "Answer", interrupted: bool, output: Output
) -> int:
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    made = scan.describe(options.name)
    profile = made.profile.name
    profiles = {profile: made.text(options.url, when)}
    named = device.model_copy(update={"name": f"{profile}-1".lower(), "profile_name": profile})
    devices = HEAD.format(when=when) + dump_devices([named])
    count_ = len(made.profile.device_resources)
    written = write(options.out, profiles, devices) if options.out is not None and count_ else []
    for note in made.notes:
        output.line(note)
    if count_:
        output.line(f"{options.url}: {count_} resource{'' if count_ == 1 else 's'}")
        show(written, profiles, devices, output)
    result = {**_endpoints(answer), "product": scan.product.name, "resources": count_, "notes": made.notes}
    result |= {"interrupted": interrupted}
    result |= {"written": written} if options.out else {"profiles": profiles, "devices": devices}
    output.result(result)
    if interrupted:
        output.error(f"interrupted after {scan.progress}; shown is what was known until then")
        return INTERRUPTED
    if not count_:
        output.error(
            "no value was found: try another --path, --node, --user, or --path '/Server/**' for the server's own"
        )
    return 0 if count_ else 1
