"""SunSpec chains: right ones, and those that lie."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.discovery.sunspec import (
    LONGEST,
    MOST_MODELS,
    MOST_REPEATS,
    Chain,
    Group,
    Item,
    layouts,
    placed,
    walk,
)
from tests.unit.mappers.modbus.talk import COMMON, END, at, holding, talk

LENGTHS = {
    1: 66, 101: 50, 103: 50, 111: 60, 113: 60, 120: 26, 121: 30, 122: 44, 123: 24, 124: 24, 201: 105, 204: 105,
    211: 124, 214: 124, 701: 153, 702: 50, 703: 17, 704: 65, 713: 7, 715: 7,
}  # fmt: skip
"""Lengths that the documents give for models without repeated groups."""


def items(group: Group | None) -> list[Item]:
    """The points of a group and of those in it."""
    parts = group.parts if group else ()
    return [one for part in parts for one in ([part] if isinstance(part, Item) else items(part))]


def chain(*parts: Any, base: int = 40000) -> Chain:
    found, _ = talk(walk(), holding(at(base, "SunS", *parts)))
    assert found is not None
    return found


@pytest.mark.parametrize("number", LENGTHS)
def test_layouts_are_as_long_as_the_documents_say(number: int) -> None:
    assert sum(item.size for item in layouts()[number].points) == LENGTHS[number]


def test_scale_factors_are_points_of_their_model() -> None:
    for number, layout in layouts().items():
        names = {item.name for item in layout.points if item.kind == "sunssf"}
        used = {item.scale for item in (*layout.points, *items(layout.each)) if item.scale}
        assert used <= names, number
        assert len({item.name for item in layout.points}) == len(layout.points)


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_a_chain_at_each_base(base: int) -> None:
    found = chain(*COMMON, 64001, 3, 1, 2, 3, *END, base=base)
    assert (found.base, [m.id for m in found.models], found.problems) == (base, [1, 64001], ())
    assert [m.address for m in found.models] == [base + 2, base + 70]
    assert found.end == base + 75
    assert (found.common("Mn"), found.common("Md"), found.common("SN")) == ("Acme", "Sun 5", "S-77")
    assert found.models[1].data == b"", "what is not described is not read"


def test_no_marker() -> None:
    assert talk(walk(), holding(at(40000, "SunX")))[0] is None
    assert talk(walk(), lambda _: None) == (None, talk(walk(), lambda _: b"\x83\x02")[1])


def test_a_common_model_without_its_pad() -> None:
    found = chain(1, 65, *COMMON[2:-1], *END)
    assert (found.common("SN"), found.problems) == ("S-77", ())
    assert [p.item.name for p in placed(found.models[0])] == ["Mn", "Md", "Opt", "Vr", "SN", "DA"]


def test_points_beyond_the_length_do_not_count() -> None:
    found = chain(*COMMON, 103, 5, *range(5), *END)
    assert [p.item.name for p in placed(found.models[1])] == ["A", "AphA", "AphB", "AphC", "A_SF"]


@pytest.mark.parametrize(("length", "said", "copies"), [(48, 2, 2), (48, 1, 1), (48, 0xFFFF, 2), (48, 9, 2), (8, 2, 0)])
def test_inputs_of_an_inverter(length: int, said: int, copies: int) -> None:
    body = (0, 0, 0, 0, 0, 0, said, 0)
    found = chain(*COMMON, 160, length, *body, *[7] * (length - 8), *END)
    assert max((int(p.path or 0) for p in placed(found.models[1])), default=0) == copies
    assert found.problems == ()


def test_a_model_of_enormous_length_is_capped() -> None:
    registers = at(0, "SunS", *COMMON, 160, 60000, 0, 0, 0, 0, 0, 0, 0xFFFF, 0) | dict.fromkeys(range(80, 60072), 1)
    found, asked = talk(walk(), holding(registers | at(60072, *END)))
    assert found is not None
    assert max(int(p.path or 0) for p in placed(found.models[1])) == MOST_REPEATS
    assert len(asked) < 30


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ((), "no model header can be read at address 40070"),
        ((0, 0), "model 0 with length 0 at address 40070 cannot be"),
        ((103, 65000), "model 103 with length 65000 at address 40070 cannot be"),
        ((103, 50, 1, 2), "registers from address"),
    ],
)
def test_chains_that_break(tail: tuple[int, ...], said: str) -> None:
    found = chain(*COMMON, *tail)
    assert any(said in problem for problem in found.problems), found.problems
    assert found.models[0].id == 1
    assert found.end is None


def test_a_chain_that_does_not_end() -> None:
    endless, asked = talk(walk(), lambda r: b"\x03\x04SunS" if r[1:3] == b"\x9c\x40" else b"\x03\x04\xfa\x01\0\0")
    assert endless is not None
    assert len(endless.models) == MOST_MODELS
    assert "this is no chain" in endless.problems[0]
    assert len(asked) <= MOST_MODELS + 2


def test_a_chain_up_to_the_last_register() -> None:
    registers = at(50000, "SunS", 1, 15532) | dict.fromkeys(range(50004, 65536), 0)
    found, _ = talk(walk(), holding(registers))
    assert found is not None
    assert found.problems == ("the chain runs beyond address 65535 without an end model",)


def test_a_chain_without_a_common_model() -> None:
    assert chain(64001, 0, *END).problems == ("the chain does not begin with the common model",)


def test_a_unit_that_gives_few_registers_at_once() -> None:
    for most in (16, 40, 124):
        found, _ = talk(walk(), holding(at(40000, "SunS", *COMMON, 201, 105, *range(105), *END), most))
        assert found is not None
        assert found.problems == ()
        assert found.models[1].data == struct.pack(">105H", *range(105))


def test_answers_of_another_length_are_no_registers() -> None:
    def lying(request: bytes) -> bytes:
        count = request[4]
        return b"\x03\x04SunS" if request[1:3] == b"\x9c\x40" else bytes((3, 2 * count)) + b"\0" * (2 * count + 1)

    found, _ = talk(walk(), lying)
    assert found is not None
    assert found.models == ()


@given(st.lists(st.binary(max_size=260), min_size=1, max_size=20))
def test_no_answers_raise_or_loop(answers: list[bytes]) -> None:
    turn = iter(range(10**6))
    talk(walk(), lambda _: answers[next(turn) % len(answers)])


@given(st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=400))
def test_no_registers_raise_or_loop(words: list[int]) -> None:
    registers = at(0, "SunS", *words) | dict.fromkeys(range(2 + len(words), 70), 0)
    found, _ = talk(walk(), holding(registers))
    assert found is not None
    for model in found.models:
        assert all(p.offset + p.item.size <= model.length for p in placed(model))


VOLT_VAR = (1, 0, 1, 4, 2, 0, 0, 0, 0, 0, -2, -2, 0)
"""The points of a model with two curves of four points; a curve is 10 registers and 2 for each of its points."""


def curves(number: int) -> list[int]:
    """Every register its own number, from 1000 on."""
    return list(range(1000, 1000 + number))


def test_curves_and_their_points() -> None:
    found = chain(*COMMON, 705, 13 + 36, *VOLT_VAR, *curves(36), *END)
    at_ = {f"{p.path}_{p.item.name}": p for p in placed(found.models[1]) if p.path}
    assert len(at_) == 2 * (9 + 2 * 4)
    assert at_["1_ActPt"].offset == 13
    assert (at_["1_Pt_1_V"].offset, at_["1_Pt_4_Var"].offset) == (23, 30)
    assert (at_["2_ActPt"].offset, at_["2_Pt_4_Var"].offset) == (31, 48)
    assert at_["2_Pt_4_Var"].raw(found.models[1]) == struct.pack(">H", 1035)
    assert found.problems == ()


def test_trip_settings_have_three_curves_each() -> None:
    fixed = (1, 0, 1, 2, 1, 0, 0)
    found = chain(*COMMON, 709, 7 + 28, *fixed, *curves(28), *END)
    at_ = {f"{p.path}_{p.item.name}": p.offset for p in placed(found.models[1]) if p.path}
    assert at_ == {
        "1_ReadOnly": 7,
        **{f"1_{curve}_ActPt": 8 + 9 * n for n, curve in enumerate(("MustTrip", "MayTrip", "MomCess"))},
        **{
            f"1_{curve}_Pt_{point}_{name}": 9 + 9 * n + 4 * (point - 1) + 2 * (name == "Tms")
            for n, curve in enumerate(("MustTrip", "MayTrip", "MomCess"))
            for point in (1, 2)
            for name in ("Hz", "Tms")
        },
    }


@pytest.mark.parametrize(("points", "copies"), [(4, 2), (0xFFFF, 0), (65000, 0), (0, 3)])
def test_counts_that_cannot_be_leave_the_curves_out(points: int, copies: int) -> None:
    """Where nobody says how long a curve is, no place in the next one is known."""
    fixed = (1, 0, 1, points, 0xFFFF, 0, 0, 0, 0, 0, -2, -2, 0)
    found = chain(*COMMON, 705, 49, *fixed, *curves(36), *END)
    assert len({p.path.partition("_")[0] for p in placed(found.models[1]) if p.path}) == copies


def test_models_with_curves_are_read_up_to_a_bound() -> None:
    registers = at(0, "SunS", *COMMON, 705, 60000, 1, 0, 1, 4, 0xFFFF) | dict.fromkeys(range(77, 60072), 1)
    found, asked = talk(walk(), holding(registers | at(60072, *END)))
    assert found is not None
    assert len(found.models[1].data) == 2 * LONGEST
    assert len(asked) < 40
