"""Keep rules over REST, and what the history reports."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from datastore.history.history import History
from datastore.history.rules import KeepRules
from datastore.history.settings import HistorySettings, KeepRule
from tests.support.state import MemoryState
from tests.unit.api.fakes import House

KEEP = "/gateway/api/v1/history/keep"
IN_FILE = [KeepRule(device="meter-*"), KeepRule(name="valves", device="valve-*", keep="on-change")]


@pytest.fixture
def state() -> MemoryState:
    return MemoryState()


@pytest.fixture
def rules(house: House, state: MemoryState, tmp_path: Path) -> KeepRules:
    made = KeepRules(state, IN_FILE)
    object.__setattr__(house.parts, "keep_rules", made)
    history = History(tmp_path, house.store, HistorySettings(), house.clock)  # type: ignore[arg-type]
    object.__setattr__(house.parts, "history", history)
    return made


async def listed(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await api.get(KEEP)).json()["rules"])


async def test_rules_made_over_rest_come_first_and_outlive_a_restart(
    api: httpx.AsyncClient, rules: KeepRules, state: MemoryState
) -> None:
    body = {"device": "pump-7", "keep": {"deadband": 0.5}}
    assert (await api.put(f"{KEEP}/quiet", json=body)).status_code == 201
    assert (await api.put(f"{KEEP}/loud", json={})).status_code == 201
    assert (await api.put(f"{KEEP}/quiet", json=body | {"label": "x"})).status_code == 200
    shown = await listed(api)
    assert [one["name"] for one in shown] == ["quiet", "loud", "keep-0", "valves"]
    assert shown[0]["keep"] == {"deadband": 0.5}
    assert [one["where"] for one in shown][1:3] == ["REST", "gateway.yaml, history.keep[0]"]
    assert KeepRules(state, []).in_force() == rules.in_force()[:2]
    assert (await api.delete(f"{KEEP}/loud")).status_code == 200
    assert (await api.delete(f"{KEEP}/loud")).status_code == 404
    assert len(await listed(api)) == 3


async def test_rules_that_are_made_at_once_are_all_kept(
    api: httpx.AsyncClient, rules: KeepRules, state: MemoryState, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = state.put

    async def slowly(*told: Any) -> None:
        await asyncio.sleep(0)
        await put(*told)

    monkeypatch.setattr(state, "put", slowly)
    answers = await asyncio.gather(*[api.put(f"{KEEP}/{name}", json={}) for name in "abc"])
    assert [answer.status_code for answer in answers] == [201] * 3
    assert {one["name"] for one in await listed(api)} > {"a", "b", "c"}
    assert len(KeepRules(state, []).in_force()) == 3


@pytest.mark.parametrize("name", ["keep-0", "valves"])
async def test_rules_of_the_file_are_not_changed_over_rest(api: httpx.AsyncClient, rules: KeepRules, name: str) -> None:
    for answer in (await api.put(f"{KEEP}/{name}", json={}), await api.delete(f"{KEEP}/{name}")):
        assert answer.status_code == 409
        assert "gateway.yaml, history.keep[" in answer.text


async def test_a_wrong_rule_says_what_is_wrong(api: httpx.AsyncClient, rules: KeepRules) -> None:
    answer = await api.put(f"{KEEP}/x", json={"keep": {"while": "Power >"}})
    assert answer.status_code == 400
    assert "no expression" in answer.text
    assert len(await listed(api)) == 2


async def test_a_state_that_cannot_be_written_leaves_the_rules(
    api: httpx.AsyncClient, rules: KeepRules, state: MemoryState
) -> None:
    state.fails = True
    assert (await api.put(f"{KEEP}/x", json={})).status_code == 500
    assert len(await listed(api)) == 2


async def test_the_file_is_read_again(api: httpx.AsyncClient, rules: KeepRules) -> None:
    assert (await api.put(f"{KEEP}/x", json={})).status_code == 201
    rules.take([KeepRule(device="b")])
    assert [one["device"] for one in await listed(api)] == ["*", "b"]


async def test_without_a_history_it_says_how_to_get_one(api: httpx.AsyncClient) -> None:
    for path in (KEEP, "/gateway/api/v1/history"):
        answer = await api.get(path)
        assert answer.status_code == 404
        assert "history: {}" in answer.text


async def test_the_report_has_words_before_the_first_batch(api: httpx.AsyncClient, rules: KeepRules) -> None:
    told = (await api.get("/gateway/api/v1/history")).json()
    assert told["state"] == "ok"
    assert told["capacity_s"] is None
    assert told["words"]


async def test_metrics_tell_of_it(api: httpx.AsyncClient, rules: KeepRules) -> None:
    told = (await api.get("/metrics")).text
    assert "southgate_history_ok 1.0" in told
    assert "southgate_history_behind 0.0" in told
