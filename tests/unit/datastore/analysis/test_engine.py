"""Rules among devices that come and go, and among themselves."""

import logging
from typing import Any

import pytest

from datastore.analysis.engine import MEMORY
from datastore.analysis.loading import rule_of
from gateway.model.alarm import OWN, Subject
from gateway.model.errors import ConfigError
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Message, Quality
from tests.support.clock import MovingClock, settle
from tests.support.rules import Plant, planned_device, plant
from tests.support.state import MemoryState

HOT: dict[str, Any] = {"name": "hot", "kind": "threshold", "of": "m1/u", "above": 90, "hysteresis": 5}


def formula(name: str, value: str, into: str, **of: str) -> dict[str, Any]:
    return {"name": name, "kind": "formula", "of": of, "value": value, "into": into}


async def test_a_pattern_watches_each_of_its_resources_alone(clock: MovingClock) -> None:
    async with plant(clock, {**HOT, "of": "m*/u"}) as rules:
        await rules.tell_at("m1", 1, u=95.0)
        await rules.tell_at("m2", 1, u=50.0)
        assert rules.said == [("hot", "raised")]
        await rules.tell_at("m2", 1, u=95.0)
        assert {one.device for one in rules.alarms.all()} == {"m1", "m2"}
        assert rules.state_of("hot")["raised"] == 2


async def test_rules_read_what_other_rules_make(clock: MovingClock) -> None:
    watts = formula("p", "u * i", "v/p", u="m1/u", i="m1/i")
    async with plant(clock, watts, {**HOT, "of": "v/p"}, formula("q", "p / 2", "v/q", p="v/p")) as rules:
        await rules.tell_at("m1", 1, u=50.0)
        await rules.tell_at("m1", 1, i=2.0)
        assert rules.said == [("hot", "raised")]
        assert rules.values("v", "q") == [50.0]


async def test_history_and_other_devices_are_no_news(clock: MovingClock) -> None:
    async with plant(clock, HOT) as rules:
        source = rules.planned["m1"].sources["u"]
        rules.bus.publish([Event(source, clock.now(), [99.0], historical=True)])
        rules.tell("m2", u=99.0)
        rules.tell("m1", i=99.0)
        assert rules.said == []
        assert rules.state_of("hot")["watching"][0]["readings"] == 0


async def test_some_of_a_source_and_repeats_are_readings(clock: MovingClock) -> None:
    async with plant(clock, HOT) as rules:
        one, other = (rules.planned["m1"].sources[name] for name in ("i", "u"))
        both = type(one)(one.service, one.profile, one.device, "both", (*one.resources, *other.resources))
        rules.bus.publish([Event(both, clock.now(), [99.0], which=(0,))])
        assert rules.said == []
        rules.bus.publish([Event(both, clock.now(), [99.0], which=(1,), repeat=True)])
        assert rules.said == [("hot", "raised")]


async def test_a_rule_that_names_nothing_waits_visibly_until_it_is_there(
    clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with plant(clock, {**HOT, "of": "m3/u"}) as rules:
            found = rules.state_of("hot")
            assert (found["state"], found["why"]) == ("idle", "there is no device m3")
            rules.real["m3"] = planned_device("m3", {"u": ValueType.FLOAT64})
            rules.replan()
            rules.tell("m3", u=99.0)
            assert rules.said == [("hot", "raised")]
            del rules.real["m3"]
            rules.replan()
            await clock.advance(2)
            assert rules.said[1:] == [("hot", "cleared")]
            assert rules.last_alarm["why"] == "rule hot does not watch it any more"
    assert "rule hot has nothing to do: there is no device m3" in caplog.text


@pytest.mark.parametrize(
    ("of", "kind", "why"),
    [
        ("m1/v", "threshold", "device m1 has no resource v"),
        ("x*/u", "threshold", "no device is named like x*"),
        ("m*/nix", "threshold", "no device named like m* has a resource nix"),
        ("m2/mode", "threshold", "m2/mode is String, and threshold reads numbers"),
    ],
)
async def test_why_a_rule_has_nothing_to_do(clock: MovingClock, of: str, kind: str, why: str) -> None:
    async with plant(clock, {**HOT, "of": of, "kind": kind}) as rules:
        assert rules.state_of("hot")["why"].startswith(why)


async def test_a_counter_that_does_not_say_where_it_ends_is_asked_for_it(clock: MovingClock) -> None:
    rule = {"name": "c", "kind": "rollover", "of": "m1/u", "into": "v/c"}
    async with plant(clock, rule) as rules:
        assert "say at what the counter starts again (modulo)" in rules.state_of("c")["why"]


async def test_what_is_made_in_a_device_that_somebody_has_goes_nowhere_and_says_so(clock: MovingClock) -> None:
    async with plant(clock, formula("p", "u * 2", "m2/p", u="m1/u")) as rules:
        await rules.tell_at("m1", 1, u=1.0)
        assert rules.values("m2", "p") == []
        assert "m2 is a device of its own" in rules.state_of("p")["why"]


async def test_a_rule_taken_again_as_it_is_goes_on_and_one_that_changed_keeps_its_alarm(clock: MovingClock) -> None:
    mean = {"name": "mean", "kind": "rolling", "of": "m1/u", "over": "1m", "into": "v/mean"}
    async with plant(clock, HOT, mean) as rules:
        await rules.tell_at("m1", 1, u=100.0)
        await rules.rules(HOT, mean)
        assert rules.state_of("mean")["watching"][0]["readings"] == 1
        (raised,) = rules.alarms.all()
        await rules.rules({**HOT, "above": 80}, mean)
        await rules.tell_at("m1", 1, u=85.0)
        assert rules.alarms.all() == [raised]
        await rules.tell_at("m1", 1, u=70.0)
        assert rules.said == [("hot", "raised"), ("hot", "cleared")]
        assert rules.last_alarm["id"] == raised.id


async def test_a_rule_that_comes_beside_others_disturbs_none_of_them(clock: MovingClock) -> None:
    watts = formula("p", "u * 2", "v/p", u="m1/u")
    mean = {"name": "mean", "kind": "rolling", "of": "v/p", "over": "1m", "into": "v/mean"}
    async with plant(clock, watts, mean) as rules:
        await rules.tell_at("m1", 1, u=1.0)
        await rules.rules(watts, mean, formula("q", "u * 3", "v/q", u="m1/u"))
        await rules.tell_at("m1", 1, u=2.0)
        assert rules.values("v", "mean") == [2.0, 3.0]


async def test_the_alarm_of_a_rule_that_is_no_more_is_cleared_also_after_a_restart(clock: MovingClock) -> None:
    state = MemoryState()
    async with plant(clock, HOT, state=state) as rules:
        await rules.tell_at("m1", 1, u=100.0)
    async with plant(clock, HOT, state=state) as rules:
        assert rules.state_of("hot")["raised"] == 1
        await rules.tell_at("m1", 1, u=100.0)
        assert rules.said == []
    async with plant(clock, state=state) as rules:
        assert rules.said == [("hot", "cleared")]
        assert rules.last_alarm["why"] == "there is no rule hot any more"


async def test_what_rules_remember_is_written_now_and_then_and_gone_with_them(clock: MovingClock) -> None:
    rule = {"name": "c", "kind": "rollover", "of": "m1/n", "into": "v/c"}
    state = MemoryState()
    async with plant(clock, rule, state=state) as rules:
        await rules.tell_at("m1", 1, n=5)
        state.fails = True
        await clock.advance(31)
        state.fails = False
        await clock.advance(31)
        assert list(state.tables[MEMORY]) == ["c\nm1/n"]
        await rules.rules()
        await clock.advance(31)
        assert state.tables[MEMORY] == {}


async def test_a_bug_in_one_rule_spoils_no_other(
    clock: MovingClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = {"name": "mean", "kind": "rolling", "of": "m1/u", "over": "1m", "into": "v/mean"}
    async with plant(clock, mean, HOT) as rules:
        monkeypatch.setattr("datastore.analysis.window.Window.put", lambda *_: 1 / 0)
        for _ in range(3):
            await rules.tell_at("m1", 1, u=99.0)
        assert rules.said == [("hot", "raised")]
        found = rules.state_of("mean")
        assert found["errors"] == 3
        assert "an error of the gateway itself" in found["watching"][0]["last_error"]
    assert sum("by our own fault" in record.message for record in caplog.records) == 1


# ------------------------------------------------------------------------------------------------------ rules over REST


async def _put(rules: Plant, **body: Any) -> bool:
    from datastore.analysis.loading import rule_of

    found = await rules.book.put(rule_of(body))
    await settle(3)
    return found


async def test_rules_made_over_rest_outlive_a_restart_and_yield_to_gateway_yaml(clock: MovingClock) -> None:
    state = MemoryState()
    async with plant(clock, state=state) as rules:
        assert await _put(rules, **HOT)
        assert not await _put(rules, **{**HOT, "above": 50})
        await rules.tell_at("m1", 1, u=60.0)
        assert rules.said == [("hot", "raised")]
    async with plant(clock, state=state) as rules:
        assert rules.state_of("hot")["rule"]["above"] == 50
    async with plant(clock, HOT, state=state) as rules:
        mine, theirs = (one for one in rules.book.report() if one["name"] == "hot")
        assert (mine["from"], mine["state"]) == ("gateway.yaml", "raised")
        assert (theirs["from"], theirs["state"]) == ("REST", "refused")
        assert "two rules named hot" in theirs["why"]


async def test_what_is_kept_and_cannot_be_read_any_more_is_shown_and_can_be_taken_away(clock: MovingClock) -> None:
    state = MemoryState()
    await state.put("rules", {"old": {"name": "old", "kind": "nonsense"}})
    async with plant(clock, state=state) as rules:
        assert rules.state_of("old")["state"] == "refused"
        await rules.book.remove("old")
        assert rules.book.report() == []
        assert state.tables["rules"] == {}


async def test_a_rule_that_cannot_be_put_in_force_leaves_everything_as_it_was(clock: MovingClock) -> None:
    state = MemoryState()
    async with plant(clock, state=state) as rules:
        await _put(rules, **HOT)
        make, rules.engine._given = rules.book._given, rules.engine._given

        async def refuses(made: Any) -> None:
            raise ConfigError("no")

        rules.book._given = type(make)(**{n: getattr(make, n) for n in make.__slots__} | {"make": refuses})
        for body in ({**HOT, "above": 5}, {**HOT, "name": "new"}):
            with pytest.raises(ConfigError, match="no"):
                await _put(rules, **body)
        assert state.tables["rules"]["hot"]["above"] == 90
        assert list(state.tables["rules"]) == ["hot"]
        with pytest.raises(ConfigError, match="no"):
            await rules.rules({**HOT, "name": "from-file"})
        assert [one["name"] for one in rules.book.report()] == ["hot"]


@pytest.mark.parametrize(
    ("bodies", "words"),
    [
        ([formula("a", "x", "v/a", x="v/a")], "rule a reads v/a, which it makes itself"),
        (
            [formula("a", "x", "v/a", x="v/b"), formula("b", "x", "v/b", x="v/c"), formula("c", "x", "v/c", x="v/a")],
            "rules go in a circle: a reads v/b of b, b reads v/c of c, c reads v/a of a",
        ),
        ([HOT, HOT], "there are two rules named hot"),
        ([formula("a", "x", "v/a", x="m1/u"), formula("b", "x", "v/a", x="m1/u")], "v/a is made by rule a already"),
        ([{**HOT, "of": "v*/hot", "into": "v/hot", "kind": "threshold"}], "`of` is a pattern"),
        ([formula("a", "x", "v/a", x="m1/u"), {**HOT, "hysteresis": -1}], "0 or more"),
        *(([{**HOT, "name": name}], "an alarm of its own of this name") for name in sorted(OWN)),
        ([{"name": "c", "kind": "rollover", "of": "m1/n", "into": "v*/c"}], "is a pattern"),
        ([{**HOT, "above": 1, "below": 2}], "must be less than above"),
        ([{**HOT, "above": 2, "below": 1, "hysteresis": 1}], "would ever clear"),
        ([{"name": "t", "kind": "threshold", "of": "m1/u"}], "needs `above`, `below` or both"),
        ([{"name": "z", "kind": "zscore", "of": "m1/u", "at_least": 500}], "there never were enough"),
        ([{**HOT, "of": "m1"}], "names no resource"),
        ([{**HOT, "for": "-1s"}], "must not be negative"),
        ([{"name": "s", "kind": "stuck", "of": "m1/u", "for": "0s"}], "above 0"),
    ],
)
def test_what_can_never_work_is_refused_at_load(bodies: list[dict[str, Any]], words: str, tmp_path: Any) -> None:
    import yaml

    from gateway.config import load_settings

    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump({"rules": bodies}))
    with pytest.raises(ConfigError, match=words.replace("*", r"\*")) as caught:
        load_settings(tmp_path / "gateway.yaml")
    assert caught.value.problems[0].line


async def test_an_alarm_of_the_gateway_itself_about_a_device_is_no_rule_s(clock: MovingClock) -> None:
    async with plant(clock, HOT) as rules:
        rules.alarms.tell("write-unconfirmed", "raised", "deaf", about=Subject("m1", "u"))
        await rules.rules()
        assert rules.said == [("write-unconfirmed", "raised")]


async def test_the_reading_comes_before_its_alarm(clock: MovingClock) -> None:
    async with plant(clock, HOT) as rules:
        await rules.tell_at("m1", 1, u=95.0)
        assert [type(one) for one in rules.records] == [Event, Message]


async def test_what_a_rule_made_is_bad_when_it_has_nothing_to_read_any_more(clock: MovingClock) -> None:
    """A device is removed and added again while rules run."""
    async with plant(clock, formula("p", "u * 2", "v/p", u="m1/u")) as rules:
        await rules.tell_at("m1", 1, u=1.0)
        gone = rules.real.pop("m1")
        for _ in range(2):
            rules.replan()
            await clock.advance(2)
        assert rules.values("v", "p") == [2.0, None]
        assert rules.records[-1].quality[0] == Quality("bad", "config", "there is no device m1")
        rules.real["m1"] = gone
        rules.replan()
        await rules.tell_at("m1", 1, u=2.0)
        assert rules.values("v", "p") == [2.0, None, 4.0]


async def test_what_gateway_yaml_would_change_is_said_without_changing_it(clock: MovingClock) -> None:
    async with plant(clock, HOT, {"name": "same", "kind": "missing", "of": "m1/u", "for": "1s"}) as rules:
        await _put(rules, name="mine", kind="threshold", of="m1/u", above=1)
        lost = {"name": "mine", "kind": "missing", "of": "m1/uu", "for": "1s"}
        again = [{**HOT, "above": 95}, {"name": "same", "kind": "missing", "of": "m1/u", "for": "1s"}, lost]
        would = rules.book.would([rule_of(one) for one in again])
        assert would.changed == ["hot", "mine"]
        rule, unread = would.doubts(rules.planned)
        assert (rule.severity, rule.where) == ("warning", "rule mine, made over REST")
        assert "two rules named mine" in rule.what
        assert unread.what == "device m1 has no resource uu; did you mean u?"
        assert rules.state_of("hot")["rule"]["above"] == 90


async def test_a_report_of_many_rules_looks_at_each_that_runs_once(clock: MovingClock) -> None:
    async with plant(clock, *({**HOT, "name": f"hot-{number}", "of": "m*/u"} for number in range(50))) as rules:
        looked = []
        for one in rules.engine._running.values():
            one.report = lambda one=one: looked.append(one) or {}  # type: ignore[method-assign]
        rules.engine._running = {}  # whoever went through all of them for each rule would find nothing
        assert [one["watched"] for one in rules.book.report()] == [2] * 50
        assert len(looked) == 100
