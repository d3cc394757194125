"""Models over windows of readings: tiny ones made here, in real workers."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datastore.analysis.loading import rule_of
from datastore.analysis.scoring.__main__ import HardSamples
from gateway.model.errors import ConfigError
from tests.support.clock import MovingClock
from tests.support.rules import Plant, plant
from tests.support.state import MemoryState

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

WAIT_S = 30.0
RULE: dict[str, Any] = {
    "name": "health",
    "kind": "score",
    "of": {"u": "m1/u", "i": "m1/i"},
    "window": 3,
    "version": "1",
    "into": "v/score",
}


def mean_model(file: Path, window: int = 3, inputs: int = 2, factor: float = 1.0) -> Path:
    """Its score is the mean of the window times a factor; the sample is hard when that is above 10."""
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["score"]),
        helper.make_node("Greater", ["score", "ten"], ["hard"]),
    ]
    constants = [
        helper.make_tensor("factor", kind.FLOAT, [1], [factor]),
        helper.make_tensor("ten", kind.FLOAT, [1], [10.0]),
    ]
    given = [helper.make_tensor_value_info("x", kind.FLOAT, [1, window, inputs])]
    gives = [
        helper.make_tensor_value_info("score", kind.FLOAT, [1]),
        helper.make_tensor_value_info("hard", kind.BOOL, [1]),
    ]
    graph = helper.make_graph(nodes, "mean", given, gives, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(file))
    return file


def classifier(file: Path) -> Path:
    """Two classes of two inputs, the larger wins; takes rows and gives one number for each class."""
    helper, kind = onnx.helper, onnx.TensorProto
    given = [helper.make_tensor_value_info("x", kind.FLOAT, ["n", 2])]
    gives = [helper.make_tensor_value_info("p", kind.FLOAT, ["n", 2])]
    graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["p"])], "two", given, gives)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(file))
    return file


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(WAIT_S):
        while not (value := condition()):  # noqa: ASYNC110  another process answers
            await asyncio.sleep(0.01)
    return value


def watching(rules: Plant, name: str = "health") -> dict[str, Any]:
    found: dict[str, Any] = rules.state_of(name)["watching"][0]
    return found


async def runs(rules: Plant, state: str = "running", name: str = "health") -> dict[str, Any]:
    await until(lambda: watching(rules, name)["model"]["state"] == state)
    return watching(rules, name)["model"]


async def feed(rules: Plant, *values: float) -> None:
    """Readings of both inputs, each waited for until it has been scored."""
    for value in values:
        await rules.tell_at("m1", 1, u=value)
        await rules.tell_at("m1", 0, i=value)


async def test_a_model_scores_windows_and_its_hard_samples_are_kept_and_leave_by_the_policy(
    clock: MovingClock, tmp_path: Path
) -> None:
    mean_model(tmp_path / "mean.onnx")
    rule = {**RULE, "model": "mean.onnx", "step": 2, "above": 15, "hard": {"into": "v/hard", "per_hour": 1}}
    state = MemoryState()
    async with plant(clock, rule, state=state, folder=tmp_path) as rules:
        assert (await runs(rules))["version"] == "1"
        await feed(rules, 1.0, 2.0)
        await until(lambda: rules.values("v", "score"))
        assert rules.values("v", "score") == [pytest.approx(1.5)]
        for number in range(2, 6):
            await feed(rules, 20.0)
            await until(lambda number=number: len(rules.values("v", "score")) == number)
        assert rules.values("v", "score")[-1] == 20.0
        assert rules.said == [("health", "raised")]
        assert "the score of model 1 is" in rules.last_alarm["why"]
        found = watching(rules)
        assert (found["inferences"], found["hard_samples"], found["uploaded"]) == (5, 4, 1)
        assert found["upload_ratio"] == 0.2
        (hard,) = rules.values("v", "hard")
        assert set(hard) == {"score", "label", "hard", "version", "window"}
        assert len(hard["window"]["u"]) == 3
        kept = (tmp_path / "models" / "health" / "hard.jsonl").read_text().splitlines()
        assert len(kept) == 4
        assert json.loads(kept[-1])["window"] == {"u": [20.0] * 3, "i": [20.0] * 3}
        await clock.advance(3601)
        await feed(rules, 30.0)
        await until(lambda: len(rules.values("v", "hard")) == 2)
    async with plant(clock, rule, state=state, folder=tmp_path) as rules:
        assert watching(rules)["inferences"] == 6


async def test_a_model_that_does_not_load_is_rolled_back_to_the_one_before(clock: MovingClock, tmp_path: Path) -> None:
    mean_model(tmp_path / "one.onnx")
    (tmp_path / "two.onnx").write_bytes(b"no model at all")
    mean_model(tmp_path / "three.onnx", factor=2.0)
    async with plant(clock, {**RULE, "model": "one.onnx"}, folder=tmp_path) as rules:
        await runs(rules)
        (tmp_path / "one.onnx").unlink()  # it was replaced, not only renamed
        await rules.rules({**RULE, "model": "two.onnx", "version": "2"})
        found = await runs(rules, "rolled back")
        assert found["version"] == "1"
        assert "two.onnx is no model that can be run" in found["why"]
        assert "its model is rolled back: two.onnx" in rules.state_of("health")["why"]
        await feed(rules, 1.0, 2.0)
        await until(lambda: rules.values("v", "score"))
        await rules.rules({**RULE, "model": "three.onnx", "version": "3"})
        assert (await runs(rules))["version"] == "3"
        await feed(rules, 1.0, 1.0)
        await until(lambda: rules.values("v", "score")[-1] == 2.0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "nosuch.onnx"}, "there is no file"),
        ({"model": "wide.onnx"}, "takes 1 x 9 x 2; the rule gives 3 readings of 2 inputs"),
        ({"call": "nowhere:score"}, "nowhere:score cannot be loaded: ModuleNotFoundError"),
    ],
)
async def test_a_first_model_that_does_not_load_says_why(
    clock: MovingClock, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    mean_model(tmp_path / "wide.onnx", window=9)
    async with plant(clock, {**RULE, **change}, folder=tmp_path) as rules:
        assert why in (await runs(rules, "failed"))["why"]


async def test_a_classifier_gives_a_label_and_a_python_callable_all_it_likes(
    clock: MovingClock, tmp_path: Path
) -> None:
    classifier(tmp_path / "two.onnx")
    (tmp_path / "ours_of_test.py").write_text(
        "import os\n"
        "def score(window):\n"
        "    print('a model may print')\n"
        "    value = window['u'][-1]\n"
        "    if value == 3: raise RuntimeError('three')\n"
        "    if value == 4: os._exit(7)\n"
        "    return {'score': value, 'label': 'odd' if value % 2 else 'even', 'hard': value > 1}\n"
    )
    two = {**RULE, "name": "two", "model": "two.onnx", "window": 1, "into": "v/two", "label": "v/class"}
    ours = {**RULE, "of": {"u": "m1/u"}, "window": 2, "call": "ours_of_test:score", "label": "v/label"}
    async with plant(clock, two, ours, folder=tmp_path) as rules:
        await runs(rules)
        await runs(rules, name="two")
        await feed(rules, 1.0)
        await rules.tell_at("m1", 1, u=5.0)
        await until(lambda: len(rules.values("v", "class")) == 2 and rules.values("v", "label"))
        assert rules.values("v", "class") == ["0", "0"]
        assert rules.values("v", "two")[-1] == pytest.approx(0.982, abs=1e-3)
        assert rules.values("v", "label") == ["odd"]
        await rules.tell_at("m1", 1, u=3.0)
        await until(lambda: watching(rules)["errors"])
        assert watching(rules)["last_error"] == "RuntimeError: three"
        assert rules.values("v", "score")[-1] is None
        await rules.tell_at("m1", 1, u=4.0)
        await runs(rules, "failed")
        assert watching(rules)["model"]["why"] == "its process ended with code 7"
        await clock.advance(1.1)
        await runs(rules)
        await rules.tell_at("m1", 1, u=6.0)
        await until(lambda: rules.values("v", "score")[-1] == 6.0)


async def test_a_model_that_hangs_is_ended_and_holds_up_nothing(clock: MovingClock, tmp_path: Path) -> None:
    """T27 in part."""
    (tmp_path / "slow_of_test.py").write_text("import time\ndef score(window):\n    time.sleep(600)\n")
    hot = {"name": "hot", "kind": "threshold", "of": "m1/u", "above": 5}
    rule = {**RULE, "of": {"u": "m1/u"}, "window": 1, "call": "slow_of_test:score", "timeout": "2s"}
    async with plant(clock, rule, hot, folder=tmp_path) as rules:
        await runs(rules)
        for value in (1.0, 2.0, 9.0):
            await rules.tell_at("m1", 0.1, u=value)
        assert rules.said == [("hot", "raised")]
        await clock.advance(2)
        await runs(rules, "failed")
        assert watching(rules)["model"]["why"] == "it gave no answer in 2 s"
        assert watching(rules)["skipped"] == 1


def test_only_the_newest_hard_samples_are_kept(tmp_path: Path) -> None:
    samples = HardSamples(tmp_path, 10)
    for number in range(23):
        samples.put({"number": number})
        if number == 11:
            samples = HardSamples(tmp_path, 10)
    lines = [
        json.loads(line)
        for name in ("hard.1.jsonl", "hard.jsonl")
        for line in (tmp_path / name).read_text().splitlines()
    ]
    assert [one["number"] for one in lines] == list(range(15, 23))


WORSE = """
import os, time
def fails(window): raise RuntimeError("no such feature")
def ends(window): os._exit(7)
def hangs(window): time.sleep(600)
"""


@pytest.mark.parametrize(
    ("worse", "why"),
    [
        ("worse_of_test:fails", "RuntimeError: no such feature, on each of the first 3 windows"),
        ("worse_of_test:ends", "its process ended with code 7"),
        ("worse_of_test:hangs", "it gave no answer in 2 s"),
        ("ends_of_test:score", "its process ended with code 9"),
    ],
)
async def test_a_model_that_loads_and_scores_nothing_or_ends_its_process_is_rolled_back(
    clock: MovingClock, tmp_path: Path, worse: str, why: str
) -> None:
    (tmp_path / "worse_of_test.py").write_text(WORSE)
    (tmp_path / "ends_of_test.py").write_text("import os\nos._exit(9)\n")
    mean_model(tmp_path / "one.onnx", window=1, inputs=1)
    rule = {**RULE, "of": {"u": "m1/u"}, "window": 1, "timeout": "2s"}
    async with plant(clock, {**rule, "model": "one.onnx"}, folder=tmp_path) as rules:
        await runs(rules)
        await rules.tell_at("m1", 1, u=4.0)
        await until(lambda: rules.values("v", "score"))
        await rules.rules({**rule, "call": worse, "version": "2"})
        async with asyncio.timeout(WAIT_S):
            while watching(rules)["model"]["state"] != "rolled back":
                await rules.tell_at("m1", 0.05, u=6.0)
                await asyncio.sleep(0.02)
        found = watching(rules)["model"]
        assert (found["version"], found["why"]) == ("1", why)
        before = watching(rules)["inferences"]
        await rules.tell_at("m1", 1, u=8.0)
        await until(lambda: watching(rules)["inferences"] > before)
        assert rules.values("v", "score")[-1] == 8.0
        assert watching(rules)["model"]["state"] == "rolled back"


async def test_a_model_that_scored_and_fails_later_is_itself_and_a_new_one_takes_its_place_when_it_scores(
    clock: MovingClock, tmp_path: Path
) -> None:
    (tmp_path / "some_of_test.py").write_text(
        "def score(window):\n    if window['u'][-1] > 5: raise ValueError('too much')\n    return 1, 'fine'\n"
    )
    rule = {**RULE, "of": {"u": "m1/u"}, "window": 1, "call": "some_of_test:score", "label": "v/label"}
    good = tmp_path / "models" / "health" / "good.json"
    for version in ("1", "2"):
        async with plant(clock, {**rule, "version": version}, folder=tmp_path) as rules:
            await runs(rules)
            assert json.loads(good.read_text())["version"] == "1"
            await rules.tell_at("m1", 1, u=1.0)
            await until(lambda rules=rules: rules.values("v", "label"))
            assert json.loads(good.read_text())["version"] == version
            for number in range(1, 6):
                await rules.tell_at("m1", 1, u=9.0)
                await until(lambda rules=rules, number=number: watching(rules)["errors"] == number)
            assert watching(rules)["model"] == {"state": "running", "version": version, "why": ""}
            assert rules.values("v", "label") == ["fine", None]


async def test_scores_of_a_model_that_does_not_run_any_more_are_bad(clock: MovingClock, tmp_path: Path) -> None:
    (tmp_path / "once_of_test.py").write_text(
        "import os\ndef score(window):\n    if window['u'][-1] > 5: os._exit(3)\n    return 1, 'fine'\n"
    )
    rule = {**RULE, "of": {"u": "m1/u"}, "window": 1, "call": "once_of_test:score", "label": "v/label"}
    async with plant(clock, rule, folder=tmp_path) as rules:
        await runs(rules)
        await rules.tell_at("m1", 1, u=1.0)
        await until(lambda: rules.values("v", "label"))
        await rules.tell_at("m1", 1, u=9.0)
        await until(lambda: len(rules.values("v", "label")) == 2)
        assert rules.values("v", "label") == ["fine", None]
        assert rules.values("v", "score") == [1.0, None]
        assert watching(rules)["last_error"] == "its process ended with code 3"


async def test_a_window_is_made_when_the_model_is_free(clock: MovingClock, tmp_path: Path) -> None:
    (tmp_path / "slow_of_test.py").write_text("import time\ndef score(window):\n    time.sleep(600)\n")
    rule = {**RULE, "of": {"u": "m1/u"}, "window": 1, "call": "slow_of_test:score", "timeout": "2s"}
    async with plant(clock, rule, folder=tmp_path) as rules:
        await runs(rules)
        (one,) = rules.engine._running.values()
        made = []
        window = one._window
        one._window = lambda: made.append(1) or window()
        for _ in range(100):
            await rules.tell_at("m1", 0.001, u=1.0)
        assert len(made) == 1
        assert watching(rules)["skipped"] == 98


def test_a_window_that_would_hold_up_the_loop_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than 65536 values"):
        rule_of({**RULE, "model": "x.onnx", "window": 10_000, "of": {f"i{n}": f"m1/i{n}" for n in range(10)}})
