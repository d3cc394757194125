import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ConfigError
from simulators.behaviour import KINDS, constant, counter, parse, ramp, sine, steps, toggle, walk

times = st.floats(0, 1e6)


@given(times, st.integers(0, 2**32))
def test_a_walk_stays_within_its_limits_and_is_a_function_of_time_and_seed(t: float, seed: int) -> None:
    value = walk(-5, 5, 30, seed)(t)
    assert -5 <= value <= 5
    assert walk(-5, 5, 30, seed)(t) == value


def test_a_walk_moves_and_its_seed_matters() -> None:
    one, other = walk(0, 1, 10, 1), walk(0, 1, 10, 2)
    first = [one(t) for t in range(0, 200, 5)]
    assert len(set(first)) > 30
    assert first != [other(t) for t in range(0, 200, 5)]
    assert max(first) - min(first) > 0.4, "it wanders over most of its range"


@given(times)
def test_a_walk_has_no_jumps(t: float) -> None:
    wander = walk(0, 1, 10, 3)
    assert abs(wander(t + 0.01) - wander(t)) < 0.02


def test_a_ramp_rises_and_starts_over() -> None:
    assert [ramp(10, 20, 4)(t) for t in (0, 1, 2, 3, 4)] == [10, 12.5, 15, 17.5, 10]


def test_a_sine_swings_between_its_ends() -> None:
    swing = sine(-2, 4, 8)
    assert [round(swing(t), 9) for t in (0, 2, 4, 6)] == [1, 4, 1, -2]
    assert round(sine(-2, 4, 8, phase=0.25)(0), 9) == 4


@given(times, st.floats(0, 1000))
def test_a_counter_never_falls(t: float, later: float) -> None:
    count = counter(5, 0.3, 0.1)
    assert count(t + later) >= count(t) >= 5


def test_a_constant_a_toggle_and_steps() -> None:
    assert constant(7)(1e9) == 7
    assert [toggle(4)(t) for t in range(5)] == [True, True, False, False, True]
    assert [steps(["a", "b"], 2)(t) for t in range(5)] == ["a", "a", "b", "b", "a"]


def test_the_world_file_says_them_by_name() -> None:
    assert parse({"ramp": {"low": 0, "high": 60, "period": "1m"}})(30) == 30
    assert parse(21.5)(99) == 21.5
    assert parse({"echo": 3})(0) == 3
    assert parse({"constant": "on"})(0) == "on"


@pytest.mark.parametrize(
    "spec", [{"wobble": {}}, {"sine": {"low": 1}}, {"ramp": {"low": 0, "high": 1, "period": 0}}, {}]
)
def test_a_wrong_behaviour_is_told(spec: object) -> None:
    with pytest.raises(ConfigError, match=r"meter, Power: "):
        parse(spec, "meter, Power")


def test_a_wrong_kind_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match=", ".join(KINDS)):
        parse({"wobble": {}})
