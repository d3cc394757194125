"""`southgate decode`: what the registers may mean."""

import asyncio

import pytest

from simulators.world import World, serve
from tests.support.ports import free_port
from tests.unit.cli.conftest import Run

BYTES = {"ABCD": "0x4366 0x199A", "CDAB": "0x199A 0x4366", "BADC": "0x6643 0x9A19", "DCBA": "0x9A19 0x6643"}
"""230.1 as IEEE 754 single: 43 66 19 9A."""


@pytest.mark.parametrize("order", BYTES)
def test_the_display_finds_the_order(order: str, southgate: Run) -> None:
    ran = southgate("decode", *BYTES[order].split(), "--shown", "230.1", "--json")
    assert ran.code == 0
    best = ran.json[0]
    assert (best["readAs"], best["scale"]) == (f"Float32 {order}", 1.0)
    assert best["value"] == pytest.approx(230.1)


@pytest.mark.parametrize(
    ("registers", "shown", "read_as", "scale", "value_type"),
    [
        ("2301", "230.1", "Uint16 ABCD", 0.1, "Uint16"),
        ("65436", "-10.0", "Int16 ABCD", 0.1, "Int16"),
        ("0 4321", "43.21", "Uint32 ABCD", 0.01, "Uint32"),
        ("0x7100 0x0002", "160", "Uint32 CDAB", 0.001, "Uint32"),
        ("0x0002 0x7100", "160", "Uint32 ABCD", 0.001, "Uint32"),
        ("0x1234", "1234", "BCD16 ABCD", 1.0, "Uint16"),
    ],
)
def test_the_display_finds_type_and_scale(
    registers: str, shown: str, read_as: str, scale: float, value_type: str, southgate: Run
) -> None:
    ran = southgate("decode", *registers.split(), "--shown", shown, "--json")
    best = ran.json[0]
    assert best["readAs"] == read_as
    assert best["scale"] == pytest.approx(scale)
    assert f"valueType: {value_type}" in best["yaml"]


def test_without_a_display_all_of_them(southgate: Run) -> None:
    ran = southgate("decode", "17254", "6554")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "registers: 0x4366 0x199A"
    assert lines[1].split() == ["READ", "AS", "REGISTERS", "VALUE"]
    rows = {" ".join(line.split()[:-2]): line.split()[-1] for line in lines[2:]}
    assert rows["Float32 ABCD"] == "230.1"
    assert rows["Uint16 ABCD"] == "17254"
    assert rows["Uint32 CDAB"] == str(6554 * 65536 + 17254)
    everything = {(row["type"], row["order"]) for row in southgate("decode", "17254", "6554", "--json").json}
    assert {("Int32", order) for order in BYTES} <= everything


def test_what_is_found_can_be_pasted(southgate: Run) -> None:
    ran = southgate("decode", "6554", "17254", "--shown", "230.1")
    assert ran.code == 0
    text = ran.out.partition("for the profile:\n")[2]
    assert text == (
        'properties:\n  valueType: Float32\n  readWrite: "R"\n'
        "attributes:\n  primaryTable: HOLDING_REGISTERS\n  startingAddress: 0\n  byteOrder: CDAB\n\n"
    )


def test_nothing_fits(southgate: Run) -> None:
    ran = southgate("decode", "1", "--shown", "987654.321")
    assert ran.code == 1
    assert "nothing fits 987654.321" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["70000"], "70000"),
        (["-1", "2"], "-1"),
        (["abc"], "abc: register values are numbers from 0 to 65535"),
        (["1", "--shown", "much"], "much"),
        (["tcp://host"], "an address looks like tcp://192.168.1.5:502/1/holding/0?count=2"),
        (["tcp://127.0.0.1:x/1/holding/0"], "Port"),
        (["rtu:///dev/ttyS9/1/holding/0?baud=fast"], "BaudRate"),
        (["tcp://127.0.0.1:1/1/holding/0?count=many"], "many"),
        (["tcp://127.0.0.1:1/300/holding/0"], "300"),
        (["tcp://127.0.0.1:1/1/holding/0?count=200"], "200"),
        (["tcp://127.0.0.1:1/1/holding/0?parity=E"], "parity"),
    ],
)
def test_wrong_use(arguments: list[str], said: str, southgate: Run) -> None:
    ran = southgate("decode", *arguments)
    assert ran.code == 2
    assert said in ran.err


async def test_registers_of_a_live_device(southgate: Run) -> None:
    async with serve(World.from_profiles(["eastron-sdm630"])) as running:
        running.set("eastron-sdm630", "VoltageL1", 230.1)
        address = f"tcp://{running.devices['eastron-sdm630'].address}/1/input/0?count=2"
        ran = await asyncio.to_thread(southgate, "decode", address, "--shown", "230.1")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("registers: 0x4366 0x199A\n")
        assert "primaryTable: INPUT_REGISTERS\n  startingAddress: 0\n" in ran.out
        refused = await asyncio.to_thread(southgate, "decode", address.replace("/0?", "/60000?"))
        assert refused.code == 1
        assert "/1/input/60000?count=2" in refused.err


def test_a_device_that_is_not_there(southgate: Run) -> None:
    ran = southgate("decode", f"tcp://127.0.0.1:{free_port()}/1/holding/0?count=2")
    assert ran.code == 3
    assert "127.0.0.1" in ran.err
