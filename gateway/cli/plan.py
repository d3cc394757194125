"""`southgate plan`: what will happen on the wire, before it does."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli.numbers import milliseconds
from gateway.cli.offline import Alone, kind_of, plan_devices, plan_profile, plan_settings, settings_of
from gateway.cli.output import Output
from gateway.cli.parameters import add_parameters
from gateway.model.duration import parse_duration
from gateway.model.errors import Problem
from gateway.model.plan import PlannedDevice
from gateway.runtime.configuration.budget import LineBudget, PollCost, budgets

EXAMPLES = """  southgate plan eastron-sdm630                       a shipped profile, over TCP
  southgate plan microsoft-opc-plc                    OPC UA: what is read where it is not subscribed
  southgate plan my-device.yaml --rtu --baud 19200
  southgate plan my-meter.yaml --parameter base=2000  for a profile that has parameters
  southgate plan devices/meters.yaml --answer-ms 35
  southgate plan plant/                               everything gateway.yaml names"""

SHORTEST_S = 0.001


def add(parser: argparse.ArgumentParser) -> None:
    what = "profile (or a shipped one's name), device list, gateway.yaml or its folder"
    parser.add_argument("path", type=Path, metavar="FILE|FOLDER", help=what)
    parser.add_argument(
        "--answer-ms", type=milliseconds, help="the device's own time per request; default: learned, else 10"
    )
    parser.add_argument(
        "--interval", type=_interval, default="1s", help="for a profile alone: how often all of it is read"
    )
    parser.add_argument("--rtu", action="store_true", help="for a Modbus profile alone: on a serial line")
    parser.add_argument("--baud", type=int, default=9600, help="of that line")
    add_parameters(parser)
    parser.add_argument("--strict", action="store_true", help="unknown keys are errors")


def _interval(text: str) -> str:
    try:
        long_enough = parse_duration(text) >= SHORTEST_S
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not long_enough:
        raise argparse.ArgumentTypeError(f"{text}: an interval is 1ms or longer")
    return text


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it fits, 2 when it cannot fit or is wrong."""
    kind = kind_of(options.path)
    planned, problems = _planned(kind, options)
    lines = budgets(planned, options.answer_ms)
    problems = problems + [problem for line in lines for problem in line.problems()]
    output.result({"connections": [_line_json(line) for line in lines], "problems": [str(p) for p in problems]})
    remark = " (example connection)" if kind == "profile" else ""
    for line in lines:
        _print(line, remark, output)
    output.problems(problems)
    return 2 if any(problem.severity == "error" for problem in problems) else 0


def _planned(kind: str, options: argparse.Namespace) -> tuple[list[PlannedDevice], list[Problem]]:
    if kind == "profile":
        alone = Alone(_protocols(options), options.interval, dict(options.parameter))
        return plan_profile(options.path, alone, options.strict)
    if kind == "devices":
        return plan_devices(options.path, options.strict)
    return plan_settings(settings_of(options.path).gateway, options.strict)


def _protocols(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """For a profile alone: nobody said where the device is, and no request depends on it."""
    modbus: dict[str, Any] = {"modbus-tcp": {"Address": "127.0.0.1", "Port": 502, "UnitID": 1}}
    if options.rtu:
        serial = {"BaudRate": options.baud, "DataBits": 8, "StopBits": 1, "Parity": "N"}
        modbus = {"modbus-rtu": {"Address": "/dev/ttyUSB0", **serial, "UnitID": 1}}
    return {"device-modbus": modbus, "device-opcua": {"opcua": {"Endpoint": "opc.tcp://127.0.0.1:4840"}}}


def _print(line: LineBudget, remark: str, output: Output) -> None:
    output.line(f"{line.connection.key}{remark}: {line.busy:.1%} busy")
    for cost in line.polls:
        poll = cost.poll
        output.line(f"  {poll.device}, every {poll.interval:g} s: {', '.join(s.name for s in poll.sources)}")
        for request in poll.plan.requests:
            pdu = f" PDU {request.pdu.hex(' ')}  " if request.pdu else ""
            output.line(
                f"    {request.text:42}{pdu} {request.sent} B out, {request.received} B in"
                + (f", {request.line_s * 1000:.1f} ms on the line" if request.line_s else "")
            )
        requests = f"{cost.requests} request{'s' * (cost.requests != 1)}"
        output.line(
            f"    {requests}, {cost.sent + cost.received} bytes, {cost.seconds * 1000:.1f} ms per cycle "
            f"(answer {cost.answer_ms:g} ms, {cost.answer_from})"
            + ("; subscribed, so that this is not read unless the server wants it" if cost.told else "")
        )


def _line_json(line: LineBudget) -> dict[str, Any]:
    return {
        "connection": line.connection.key,
        "service": line.connection.service,
        "busy": line.busy,
        "polls": [_poll_json(cost) for cost in line.polls],
    }


def _poll_json(cost: PollCost) -> dict[str, Any]:
    return {
        "device": cost.poll.device,
        "sources": [source.name for source in cost.poll.sources],
        "interval_s": cost.poll.interval,
        "seconds": cost.seconds,
        "bytes_out": cost.sent,
        "bytes_in": cost.received,
        "answer_ms": cost.answer_ms,
        "answer_from": cost.answer_from,
        "subscribed": cost.told,
        "requests": [
            {"text": r.text, "pdu": r.pdu.hex(), "sent": r.sent, "received": r.received, "line_s": r.line_s}
            for r in cost.poll.plan.requests
        ],
    }
