"""Each kind of rule, between readings and what is said of them, on a moving clock."""

import json
from typing import Any

import pytest

from gateway.model.reading import DISCONNECTED, Event, Quality
from tests.support.clock import MovingClock
from tests.support.rules import plant
from tests.support.state import MemoryState

HOT: dict[str, Any] = {"name": "hot", "kind": "threshold", "of": "m1/u", "above": 90, "hysteresis": 5}


async def test_a_threshold_is_raised_beyond_its_limit_and_cleared_beyond_its_hysteresis(clock: MovingClock) -> None:
    async with plant(clock, {**HOT, "into": "v/hot", "severity": "critical"}) as rules:
        for value in (80.0, 90.0, 90.1, 86.0, 85.1, 85.0, 89.0):
            await rules.tell_at("m1", 1, u=value)
        assert rules.said == [("hot", "raised"), ("hot", "cleared")]
        assert rules.values("v", "hot") == [False, True, False]
        assert rules.last_alarm["why"] == "m1/u is 85, back within 90, by 5 at least"
        assert rules.last_alarm["severity"] == "critical"


async def test_a_range_has_two_ends(clock: MovingClock) -> None:
    rule = {"name": "range", "kind": "threshold", "of": "m1/u", "above": 10, "below": 0}
    async with plant(clock, rule) as rules:
        for value in (5.0, -1.0, 5.0, 11.0, -1.0):
            await rules.tell_at("m1", 1, u=value)
        assert [state for _, state in rules.said] == ["raised", "cleared", "raised"]


async def test_what_must_last_is_raised_by_the_clock_even_when_nothing_more_is_read(clock: MovingClock) -> None:
    async with plant(clock, {**HOT, "for": "10s", "clear_after": "5s"}) as rules:
        await rules.tell_at("m1", 0, u=95.0)
        await rules.tell_at("m1", 9, u=70.0)  # it did not last
        await rules.tell_at("m1", 1, u=95.0)
        await clock.advance(9.9)
        assert rules.said == []
        await clock.advance(0.1)
        assert rules.said == [("hot", "raised")]
        assert rules.last_alarm["why"] == "m1/u is 95, above 90 for 10s"
        await rules.tell_at("m1", 1, u=70.0)
        await clock.advance(4.9)
        assert len(rules.said) == 1
        await clock.advance(0.2)
        assert rules.said[1:] == [("hot", "cleared")]


async def test_a_value_that_flutters_around_its_limit_takes_no_memory(clock: MovingClock) -> None:
    async with plant(clock, {**HOT, "for": "1h"}) as rules:
        for number in range(2000):
            rules.tell("m1", u=95.0 if number % 2 else 70.0)
        assert len(rules.engine._timers) < 200
        await clock.advance(3601)
        assert rules.said == [("hot", "raised")]


async def test_a_bad_reading_neither_raises_nor_clears_and_ends_what_had_begun_to_last(clock: MovingClock) -> None:
    async with plant(clock, {**HOT, "for": "10s"}) as rules:
        await rules.tell_at("m1", 0, u=95.0)
        await clock.advance(5)
        rules.tell("m1", DISCONNECTED, u=None)
        await clock.advance(60)
        assert rules.said == []


@pytest.mark.parametrize(("per", "raised"), [("1s", True), ("1m", True)])
async def test_a_rate_is_the_slope_between_readings(clock: MovingClock, per: str, raised: bool) -> None:
    limit = 3 if per == "1s" else 180
    rule = {"name": "fast", "kind": "rate", "of": "m1/u", "per": per, "above": limit, "into": "v/rate"}
    async with plant(clock, rule) as rules:
        for value in (0.0, 4.0, 12.0):
            await rules.tell_at("m1", 2, u=value)
        assert rules.values("v", "rate") == pytest.approx([2.0, 4.0] if per == "1s" else [120.0, 240.0])
        assert rules.said == [("fast", "raised")]


async def test_a_rate_over_a_span_does_not_see_single_steps(clock: MovingClock) -> None:
    rule = {"name": "drift", "kind": "rate", "of": "m1/u", "per": "1h", "over": "10s", "into": "v/rate"}
    async with plant(clock, rule) as rules:
        for second in range(21):
            await rules.tell_at("m1", 1, u=second + (5.0 if second == 7 else 0.0))
        rates = rules.values("v", "rate")
        assert rates[0] == pytest.approx(3600.0)
        assert len(rates) == 11


async def test_rolling_statistics_go_by_the_readings_own_times(clock: MovingClock) -> None:
    made = [
        {"name": stat, "kind": "rolling", "of": "m1/u", "stat": stat, "over": "3s", "into": f"v/{stat}"}
        for stat in ("mean", "min", "max", "std")
    ]
    async with plant(clock, *made) as rules:
        for value in (1.0, 2.0, 3.0, 4.0, 9.0):
            await rules.tell_at("m1", 1, u=value)
        assert rules.values("v", "mean") == pytest.approx([1, 1.5, 2, 2.5, 4.5])
        assert rules.values("v", "min") == [1, 1, 1, 1, 2]
        assert rules.values("v", "max") == [1, 2, 3, 4, 9]
        assert rules.values("v", "std")[-1] == pytest.approx(3.1091, abs=1e-4)
        assert len(rules.values("v", "std")) == 4


async def test_a_rolling_value_may_come_less_often_than_readings_and_have_limits(clock: MovingClock) -> None:
    rule = {
        "name": "slow", "kind": "rolling", "of": "m1/u", "over": "1m", "into": "v/m", "every": "5s", "above": 10,
    }  # fmt: skip
    async with plant(clock, rule) as rules:
        for _ in range(11):
            await rules.tell_at("m1", 1, u=20.0)
        assert len(rules.values("v", "m")) == 3
        assert rules.said == [("slow", "raised")]


async def test_a_robust_score_finds_the_outlier_that_would_spoil_a_mean(clock: MovingClock) -> None:
    rule = {"name": "odd", "kind": "zscore", "of": "m1/u", "samples": 30, "at_least": 10, "into": "v/z"}
    async with plant(clock, rule) as rules:
        for number in range(30):
            await rules.tell_at("m1", 1, u=100.0 + number % 5)
        assert rules.said == []
        assert len(rules.values("v", "z")) == 20
        await rules.tell_at("m1", 1, u=140.0)
        assert rules.said == [("odd", "raised")]
        assert "m1/u is 140: its robust score among the last 30" in rules.last_alarm["why"]
        await rules.tell_at("m1", 1, u=101.0)
        assert rules.said[1:] == [("odd", "cleared")]


async def test_a_counter_that_starts_again_goes_on_in_its_total_also_over_a_restart(clock: MovingClock) -> None:
    rule = {"name": "pulses", "kind": "rollover", "of": "m1/n", "into": "v/total"}
    state = MemoryState()
    async with plant(clock, rule, state=state) as rules:
        for value in (65000, 65500, 100, 200):
            await rules.tell_at("m1", 1, n=value)
        assert rules.values("v", "total") == [0, 500, 636, 736]
    async with plant(clock, rule, state=state) as rules:
        await rules.tell_at("m1", 1, n=250)  # 50 while nobody looked
        await rules.tell_at("m1", 1, n=7)  # the meter was started anew
        assert rules.values("v", "total") == [786, 793]
        watching = rules.state_of("pulses")["watching"][0]
        assert (watching["rollovers"], watching["resets"]) == (1, 1)
        await rules.tell_at("m1", 1, n=70000)
        assert rules.state_of("pulses")["errors"] == 1


async def test_a_value_that_is_read_and_does_not_change_is_stuck(clock: MovingClock) -> None:
    rule = {"name": "stuck", "kind": "stuck", "of": "m1/u", "for": "10s", "tolerance": 0.1}
    async with plant(clock, rule) as rules:
        for second in range(10):
            await rules.tell_at("m1", 1, u=5.0 + second % 2 * 0.05)
        assert rules.said == []
        await rules.tell_at("m1", 1, u=5.0)
        assert rules.said == [("stuck", "raised")]
        await clock.advance(100)  # nothing is read: that is `missing`, not `stuck`
        await rules.tell_at("m1", 1, u=6.0)
        assert rules.said[1:] == [("stuck", "cleared")]


async def test_texts_are_stuck_and_missing_too(clock: MovingClock) -> None:
    stuck = {"name": "stuck", "kind": "stuck", "of": "m2/mode", "for": "5s"}
    missing = {"name": "gone", "kind": "missing", "of": "m2/mode", "for": "3s", "into": "v/gone"}
    async with plant(clock, stuck, missing) as rules:
        for _ in range(3):
            await rules.tell_at("m2", 2.5, mode="auto")
        assert rules.said == [("stuck", "raised")]
        await clock.advance(3.1)
        assert rules.said[1:] == [("gone", "raised")]
        await rules.tell_at("m2", 1, mode="off")
        assert sorted(rules.said[2:]) == [("gone", "cleared"), ("stuck", "cleared")]
        assert rules.values("v", "gone") == [False, True, False]


async def test_nothing_good_for_too_long_is_missing_and_a_locked_device_is_not(clock: MovingClock) -> None:
    rule = {"name": "gone", "kind": "missing", "of": "m*/u", "for": "30s"}
    async with plant(clock, rule) as rules:
        rules.lock("m2")
        for _ in range(4):
            await clock.advance(10)
            rules.tell("m1", Quality("bad", "timeout"), u=None)
        assert rules.said == [("gone", "raised")]
        assert rules.last_alarm["why"] == "no good value of m1/u for 30s; what came was bad timeout"
        await rules.tell_at("m1", 1, u=1.0)
        for _ in range(20):
            await rules.tell_at("m1", 10, u=1.0)
        assert rules.said[1:] == [("gone", "cleared")]


async def test_a_formula_waits_for_all_it_needs_and_says_what_is_wrong_with_them(clock: MovingClock) -> None:
    rule = {"name": "p", "kind": "formula", "of": {"u": "m1/u", "i": "m1/i"}, "value": "u * i", "into": "v/p"}
    async with plant(clock, rule) as rules:
        await rules.tell_at("m1", 1, u=230.0)
        assert rules.values("v", "p") == []
        await rules.tell_at("m1", 1, i=2.0)
        await rules.tell_at("m1", 1, u=240.0)
        rules.tell("m1", Quality("bad", "timeout"), i=None)
        await rules.tell_at("m1", 1, u=250.0)
        await rules.tell_at("m1", 1, i=1.0)
        assert rules.values("v", "p") == [460.0, 480.0, None, 250.0]


async def test_values_of_one_event_are_worked_out_together(clock: MovingClock) -> None:
    rule = {"name": "d", "kind": "formula", "of": {"a": "m1/u", "b": "m1/i"}, "value": "a - b", "into": "v/d"}
    async with plant(clock, rule) as rules:
        one, other = (rules.planned["m1"].sources[name] for name in ("u", "i"))
        both = type(one)(one.service, one.profile, one.device, "both", (*one.resources, *other.resources))
        for value in (1.0, 2.0):
            await clock.advance(1)
            rules.bus.publish([Event(both, clock.now(), [value, value])])
        await clock.advance(0)
        assert rules.values("v", "d") == [0.0, 0.0]


async def test_a_formula_that_is_true_is_an_alarm_and_one_with_into_a_bool(clock: MovingClock) -> None:
    alarm = {
        "name": "both",
        "kind": "formula",
        "of": {"u": "m1/u", "mode": "m2/mode"},
        "value": "u > 5 and mode == 'on'",
    }
    virtual = {**alarm, "name": "also", "into": "v/also"}
    async with plant(clock, alarm, virtual) as rules:
        await rules.tell_at("m2", 1, mode="on")
        await rules.tell_at("m1", 1, u=6.0)
        assert rules.said == [("both", "raised")]
        assert rules.last_alarm["why"] == "u > 5 and mode == 'on' (with mode on, u 6) is true"
        await rules.tell_at("m2", 1, mode="off")
        assert rules.said[1:] == [("both", "cleared")]
        assert rules.values("v", "also") == [True, False]
        assert rules.planned["v"].sources["also"].resources[0].properties.value_type == "Bool"


async def test_what_divides_by_zero_is_counted_and_bad_once(clock: MovingClock) -> None:
    rule = {"name": "r", "kind": "formula", "of": {"u": "m1/u"}, "value": "1 / u", "into": "v/r"}
    async with plant(clock, rule) as rules:
        for value in (2.0, 0.0, 0.0, 4.0):
            await rules.tell_at("m1", 1, u=value)
        assert rules.values("v", "r") == [0.5, None, 0.25]
        found = rules.state_of("r")
        assert (found["errors"], found["watching"][0]["last_error"]) == (2, "division by zero")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e308, 10**200])
@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "rolling", "over": "1m", "stat": "std", "above": 50},
        {"kind": "rolling", "over": "1m", "stat": "max", "above": 50},
        {"kind": "rate", "above": 50},
        {"kind": "zscore", "at_least": 3, "limit": 100},
        {"kind": "formula", "of": {"u": "m1/u"}, "value": "u * 1.0", "above": 50},
    ],
)
async def test_what_is_no_number_makes_a_bad_one_raises_nothing_and_is_over_with_the_next(
    clock: MovingClock, rule: dict[str, Any], value: Any
) -> None:
    async with plant(clock, {"name": "x", "of": "m1/u", "into": "v/x", **rule}) as rules:
        for number in range(5):
            await rules.tell_at("m1", 1, u=1.0 + number % 2)
        await rules.tell_at("m1", 1, u=value)
        if rule["kind"] == "formula" and value in (1e308, 10**200):
            return  # an expression may reckon with them
        assert rules.said == []
        assert rules.values("v", "x")[-1] is None
        assert rules.state_of("x")["errors"] == (rule["kind"] != "formula")
        await rules.tell_at("m1", 1, u=1.0)
        assert abs(rules.values("v", "x")[-1]) < 50


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "rolling", "over": "10s", "stat": "mean"},
        {"kind": "rolling", "over": "10s", "stat": "max"},
        {"kind": "rate"},
        {"kind": "rate", "over": "2s"},
        {"kind": "rollover", "of": "m1/n"},
    ],
)
async def test_a_clock_that_is_set_back_or_ahead_silences_no_rule(clock: MovingClock, rule: dict[str, Any]) -> None:
    async with plant(clock, {"name": "x", "of": "m1/u", "into": "v/x", **rule}) as rules:
        name = rule.get("of", "m1/u")[3:]
        for step in (0, -86_400, 400 * 86_400):
            clock.step_wall(step)
            before = len(rules.values("v", "x"))
            for number in range(5):
                await rules.tell_at("m1", 1, **{name: number})
            assert len(rules.values("v", "x")) - before >= 3
            late = Event(rules.planned["m1"].sources[name], clock.now() - 2 * 10**9, [99])
            told = len(rules.values("v", "x"))
            rules.bus.publish([late])
            await clock.advance(0)
            assert len(rules.values("v", "x")) == told


async def test_a_clock_that_is_set_ahead_makes_nothing_stuck_and_what_is_not_read_neither(clock: MovingClock) -> None:
    rule = {"name": "stuck", "kind": "stuck", "of": "m1/u", "for": "10s"}
    async with plant(clock, rule) as rules:
        await rules.tell_at("m1", 1, u=5.0)
        clock.step_wall(86_400)
        await rules.tell_at("m1", 1, u=5.0)
        rules.tell("m1", DISCONNECTED, u=None)
        await rules.tell_at("m1", 60, u=5.0)
        assert rules.said == []
        await rules.tell_at("m1", 10, u=5.0)
        assert rules.said == [("stuck", "raised")]


async def test_a_count_beyond_what_a_float_tells_apart_is_not_stuck(clock: MovingClock) -> None:
    rule = {"name": "stuck", "kind": "stuck", "of": "m1/n", "for": "5s"}
    total = {"name": "total", "kind": "rollover", "of": "m1/n", "modulo": 2.0**64, "into": "v/total"}
    async with plant(clock, rule, total) as rules:
        for number in range(10):
            await rules.tell_at("m1", 1, n=2**60 + number)
        assert rules.said == []
        assert rules.values("v", "total")[-1] == 9


async def test_what_is_stuck_may_be_anything_and_is_shown(clock: MovingClock) -> None:
    rule = {"name": "stuck", "kind": "stuck", "of": "m2/mode", "for": "5s"}
    async with plant(clock, rule) as rules:
        for value in (b"\x00" * 500, {"a": [1] * 500}, [1.5, 2.5]):
            await rules.tell_at("m2", 1, mode=value)
            shown = rules.state_of("stuck")["watching"][0]["value"]
            assert len(json.dumps(shown)) < 300


async def test_a_value_that_was_missing_over_a_restart_has_one_timer(clock: MovingClock) -> None:
    rule = {"name": "gone", "kind": "missing", "of": "m1/u", "for": "5s"}
    state = MemoryState()
    async with plant(clock, rule, state=state) as rules:
        await clock.advance(6)
        assert rules.said == [("gone", "raised")]
    async with plant(clock, rule, state=state) as rules:
        await rules.tell_at("m1", 1, u=1.0)
        await rules.tell_at("m1", 1, u=1.0)
        assert len(rules.engine._timers) == 1


async def test_a_formula_that_is_a_number_other_than_0_is_true(clock: MovingClock) -> None:
    rule = {"name": "bits", "kind": "formula", "of": {"n": "m1/n"}, "value": "-(n & 4) / 100"}
    async with plant(clock, rule) as rules:
        for value in (3, 4, 8):
            await rules.tell_at("m1", 1, n=value)
        assert rules.said == [("bits", "raised"), ("bits", "cleared")]
        assert "is true" in rules.records[2].body["why"]
