"""`southgate lines`: what a person reads of a line, and what the exit code says."""

from typing import Any

import pytest

from tests.unit.cli.conftest import Gateway, Run

PATH = "/gateway/api/v1/lines"
POLL = {
    "sources": ["All"], "mode": "read", "requested_s": 1.0, "achieved_s": 1.004, "requests": 2, "cycle_s": 0.0423,
    "share": 0.0423, "answer_ms": 9.0, "reads": 60, "failures": 1, "overruns": 2, "last_good": 1,
}  # fmt: skip
METER = {"device": "meter", "unit": 3, "state": "online", "reason": "", "quarantine": None, "polls": [POLL]}
LINE = {
    "service": "device-modbus", "connection": "/dev/ttyUSB0", "state": "connected", "reason": "", "since": 1,
    "next_try_s": None, "requests": 1200, "errors": {}, "connects": 1, "busy": 0.634, "commands_waiting": 0,
    "busy_planned": 0.58, "problems": [], "devices": [METER], "skew_s": None, "filled": 0, "notes": [],
}  # fmt: skip


def told(southgate: Run, gateway: Gateway, *lines: dict[str, Any], more: tuple[str, ...] = ()) -> Any:
    gateway.says(PATH, {"lines": list(lines)})
    return southgate("lines", "--url", gateway.url, *more)


def test_a_line_that_is_well(southgate: Run, gateway: Gateway) -> None:
    ran = told(southgate, gateway, LINE)
    assert ran.code == 0
    title, head, row = ran.out.splitlines()[:3]
    assert title == (
        "/dev/ttyUSB0: connected, 63% busy (planned 58%), 1200 requests, errors: none, tries to connect: 1"
    )
    assert head.split() == [
        "DEVICE", "UNIT", "STATE", "FED", "ASKED", "ACHIEVED", "CYCLE", "SHARE", "READS", "FAILED", "LATE", "REASON",
    ]  # fmt: skip
    assert row.split() == ["meter", "3", "online", "read", "1", "s", "1", "s", "42.3", "ms", "4.2%", "60", "1", "2"]


def test_a_silent_device_its_next_probe_and_its_cost(southgate: Run, gateway: Gateway) -> None:
    silence = {"next_probe_s": 12.3, "cost": 0.004, "since": 1, "reason": "no answer within 0.5 s"}
    dead = METER | {"device": "dead", "state": "offline", "reason": "no answer", "quarantine": silence}
    ran = told(southgate, gateway, LINE | {"devices": [METER, dead], "errors": {"no_answer": 4, "bug": 1}})
    assert ran.code == 1
    assert "errors: bug 1, no_answer 4" in ran.out
    row = next(line for line in ran.out.splitlines() if line.startswith("dead"))
    assert " silent " in row
    assert row.endswith("next probe in 12 s, waiting for it takes 0.4% of the line: no answer")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"problems": ["the polls of 3 devices take 130%"]}, "warning: the polls of 3 devices take 130%"),
        (
            {"state": "waiting", "reason": "No such device", "next_try_s": 4.2},
            "waiting (No such device, next try in 4 s)",
        ),
        ({"commands_waiting": 2}, "2 commands wait"),
        ({"devices": [METER | {"unit": None, "polls": []}]}, "meter   -     online  -"),
        ({"filled": 120}, "tries to connect: 1, 120 missed values fetched"),
        ({"skew_s": 90.04}, "its clock -90.0 s"),
        ({"notes": ["the clock on the other side is off"]}, "note: the clock on the other side is off"),
        (
            {"devices": [METER | {"polls": [POLL | {"mode": "subscribed"}]}]},
            "online  subscribed  1 s    1 s       -      -         60",
        ),
    ],
)
def test_what_is_worth_a_word(change: dict[str, Any], said: str, southgate: Run, gateway: Gateway) -> None:
    ran = told(southgate, gateway, LINE | change)
    assert said in ran.out
    assert ran.code == (1 if "problems" in change or "state" in change else 0)


def test_one_of_many(southgate: Run, gateway: Gateway) -> None:
    other = LINE | {"connection": "192.168.1.5:502", "state": "waiting"}
    ran = told(southgate, gateway, LINE, other, more=("ttyUSB", "--json"))
    assert (ran.code, [line["connection"] for line in ran.json]) == (0, ["/dev/ttyUSB0"])
    ran = told(southgate, gateway, LINE, other, more=("ttyS9",))
    assert ran.code == 2
    assert "no connection has 'ttyS9' in its name; there are: /dev/ttyUSB0, 192.168.1.5:502" in ran.err
