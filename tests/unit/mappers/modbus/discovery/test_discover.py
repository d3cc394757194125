"""Where to look: what people write, as places; and what is too much."""

import pytest

from gateway.model.errors import ConfigError
from mappers.modbus.discovery.discover import LIKELY_UNITS, MOST_ADDRESSES, Line, addresses, jobs, numbers
from mappers.modbus.discovery.scan import Turns
from tests.support.clock import MovingClock


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("192.168.1.5", "192.168.1.5", "192.168.1.5", 1),
        ("192.168.1.10-12", "192.168.1.10", "192.168.1.12", 3),
        ("192.168.1.10-192.168.1.11", "192.168.1.10", "192.168.1.11", 2),
        ("192.168.1.0/24", "192.168.1.1", "192.168.1.254", 254),
        ("192.168.1.77/30", "192.168.1.77", "192.168.1.78", 2),
        ("10.0.0.0/20", "10.0.0.1", "10.0.15.254", 4094),
        ("10.0.0.7/32", "10.0.0.7", "10.0.0.7", 1),
        ("::1", "::1", "::1", 1),
        ("fd00::/120", "fd00::1", "fd00::ff", 255),
        ("plc-7.example", "plc-7.example", "plc-7.example", 1),
    ],
)
def test_addresses(text: str, first: str, last: str, count: int) -> None:
    found = addresses(text)
    assert (found[0], found[-1], len(found)) == (first, last, count)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.0/16", "65536 addresses; at most 4096 (a /20) are scanned at once. Name the part"),
        ("0.0.0.0/0", "at most 4096"),
        ("fd00::/64", "at most 4096"),
        ("192.168.1.300", "192.168.1.300"),
        ("192.168.1.50-10", "backwards"),
        ("192.168.1.10-300", "expected a host"),
        ("192.168.1.0/33", "expected a host"),
        ("224.0.0.0/24", "multicast"),
        ("a b", "expected a host"),
        ("", "expected a host"),
        ("-x", "expected a host"),
    ],
)
def test_what_is_no_address_or_too_many(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        addresses(text)
    assert said in str(error.value)


def test_numbers() -> None:
    assert numbers("1, 5,10-12,11", 1, 247, "unit ids") == [1, 5, 10, 11, 12]
    for wrong in ("", "0", "248", "5-1", "1-", "a", "1,,2", "-1", "99999999999"):
        with pytest.raises(ConfigError, match="expected unit ids from 1 to 247"):
            numbers(wrong, 1, 247, "unit ids")


def test_tcp_places() -> None:
    found = jobs(["127.0.0.1", "127.0.0.1", "127.0.0.2:1502", "[::1]:503"], "502,503", "", Line())
    assert [job[0].shown for job in found] == ["127.0.0.1:502", "127.0.0.1:503", "127.0.0.2:1502", "[::1]:503"]
    assert (found[0][0].units, found[0][0].first_only) == (LIKELY_UNITS, True)
    (named,) = jobs(["127.0.0.1"], "502", "1-3", Line())
    assert (named[0].units, named[0].first_only) == ((1, 2, 3), False)
    assert named[0].device("a", 3, "P").protocols == {"modbus-tcp": {"Address": "127.0.0.1", "Port": 502, "UnitID": 3}}


def test_serial_places() -> None:
    (job,) = jobs(["/dev/ttyS9"], "502", "", Line("9600,19200", "n,E", "1,2"))
    assert [place.shown for place in job] == [
        f"/dev/ttyS9 {baud} 8{parity}{stop}" for baud in (9600, 19200) for parity in "NE" for stop in (1, 2)
    ]
    assert job[0].units == tuple(range(1, 33))
    assert {place.key for place in job} == {"modbus-rtu"}


def test_framings() -> None:
    (job,) = jobs(["127.0.0.1"], "502", "", Line())
    assert [(place.properties.get("Framing"), place.units) for place in job] == [
        (None, LIKELY_UNITS),
        ("rtu", (1, 2, 3, 126, 240, 247)),
    ]
    (job,) = jobs(["127.0.0.1"], "502", "1-3", Line(), "rtu")
    assert [(place.properties["Framing"], place.units, place.first_only) for place in job] == [
        ("rtu", (1, 2, 3), False)
    ]
    (job,) = jobs(["/dev/ttyS9"], "502", "1", Line("9600", "E"), "rtu,ascii")
    assert [place.shown for place in job] == [
        "/dev/ttyS9 9600 8E1", "/dev/ttyS9 9600 7E1 ASCII", "/dev/ttyS9 9600 8E1 ASCII",
    ]  # fmt: skip
    assert job[1].connection.settings.framing == "ascii"  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="expected framings tcp, rtu or ascii"):
        jobs(["127.0.0.1"], "502", "", Line(), "rtu,asci")


@pytest.mark.parametrize(
    ("targets", "ports", "units", "line", "said"),
    [
        (["10.0.0.0/20", "10.1.0.0/20"], "502", "", Line(), f"at most {MOST_ADDRESSES}"),
        (["127.0.0.1"], "1-100", "", Line(), "100 ports: at most 16"),
        (["127.0.0.1"], "0", "", Line(), "ports from 1 to 65535"),
        (["127.0.0.1"], "502", "256", Line(), "unit ids from 0 to 255"),
        (["/dev/ttyS9"], "502", "0-5", Line(), "unit ids of a serial line from 1 to 247"),
        (["/dev/ttyS9"], "502", "", Line(baud="9600-19200"), "a list"),
        (["/dev/ttyS9"], "502", "", Line(parity="X"), "parities N, E or O"),
        (["/dev/ttyS9"], "502", "", Line(stop_bits="3"), "stop bits from 1 to 2"),
    ],
)
def test_what_is_refused(targets: list[str], ports: str, units: str, line: Line, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        jobs(targets, ports, units, line)
    assert said in str(error.value)


async def test_turns_are_spread_evenly() -> None:
    import asyncio

    clock = MovingClock()
    turns, taken = Turns(clock, 10.0), []

    async def take() -> None:
        await turns.turn()
        taken.append(round(clock.monotonic() - 1000.0, 3))

    tasks = [asyncio.create_task(take()) for _ in range(5)]
    await clock.advance(1.0)
    await asyncio.gather(*tasks)
    assert taken == [0.0, 0.1, 0.2, 0.3, 0.4]
