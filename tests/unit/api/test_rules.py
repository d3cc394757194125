"""Rules and alarms over REST: every answer and every status."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from datastore.analysis.place import Surroundings
from datastore.analysis.room import RuleRoom
from gateway.model.configuration import Configuration
from gateway.runtime.alarms import Alarms, Subject
from gateway.runtime.bus import Bus
from tests.support.state import MemoryState
from tests.unit.api.fakes import House

RULES, ALARMS = "/gateway/api/v1/rules", "/gateway/api/v1/alarms"
HOT: dict[str, Any] = {"name": "hot", "kind": "threshold", "of": "boiler/Temperature", "above": 90}


@pytest.fixture
async def room(house: House, tmp_path: Path) -> AsyncIterator[RuleRoom]:
    """With one rule in gateway.yaml."""
    from datastore.analysis.loading import rule_of

    bus, state = Bus(house.store), MemoryState()
    alarms = Alarms(lambda _: None, house.clock)

    async def make(made: Configuration) -> None:
        """No rule here makes anything."""

    given = Surroundings(
        bus.publish, house.clock, alarms, lambda: house.registry.planned, make, state, tmp_path / "gateway.yaml"
    )
    made = RuleRoom(given, bus.tap)
    object.__setattr__(house.parts, "rules", made)
    object.__setattr__(house.parts, "alarms", alarms)
    await made.open([rule_of({**HOT, "name": "of-file"})])
    made.start()
    yield made
    await made.close()


async def test_rules_are_listed_made_replaced_and_taken_away(api: httpx.AsyncClient, room: RuleRoom) -> None:
    made = await api.post(RULES, json=HOT)
    assert made.status_code == 201
    assert made.json()["rule"] == {**HOT, "above": 90.0}
    listed = (await api.get(RULES)).json()["rules"]
    assert [(one["name"], one["from"], one["state"]) for one in listed] == [
        ("of-file", "gateway.yaml", "watching"),
        ("hot", "REST", "watching"),
    ]
    again = await api.post(RULES, json=HOT)
    assert (again.status_code, "PUT replaces it" in again.text) == (409, True)
    assert (await api.put(f"{RULES}/hot", json={**HOT, "above": 80})).status_code == 200
    assert (await api.get(f"{RULES}/hot")).json()["rule"]["above"] == 80
    assert (await api.put(f"{RULES}/new", json={k: v for k, v in HOT.items() if k != "name"})).status_code == 201
    assert (await api.delete(f"{RULES}/hot")).status_code == 204
    gone = await api.get(f"{RULES}/hot")
    assert (gone.status_code, "there are: of-file, new" in gone.text) == (404, True)
    assert (await api.delete(f"{RULES}/hot")).status_code == 404


async def test_rules_of_gateway_yaml_are_only_read(api: httpx.AsyncClient, room: RuleRoom, tmp_path: Path) -> None:
    for answer in (
        await api.post(RULES, json={**HOT, "name": "of-file"}),
        await api.put(f"{RULES}/of-file", json={**HOT, "name": "of-file"}),
        await api.delete(f"{RULES}/of-file"),
    ):
        assert answer.status_code == 409
        assert f"rule of-file stands in {tmp_path}/gateway.yaml; change it there" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**HOT, "of": "boiler/Temprature"}, "device boiler has no resource Temprature; did you mean Temperature?"),
        ({**HOT, "abov": 3}, "abov: unknown key 'abov'; did you mean above?"),
        ({**HOT, "above": "much"}, "above: expected a number, got 'much'"),
        ({**HOT, "kind": "nothing"}, "kind: expected one of threshold"),
        ({"name": "hot"}, "kind: is required"),
        (
            {"name": "x", "kind": "score", "of": {"t": "boiler/Temperature"}, "call": "os:system"},
            "call: which Python code runs is said in gateway.yaml only",
        ),
        ([], "expected"),
        ({**HOT, "name": "journal-failing"}, "an alarm of its own"),
        (
            {"name": "x", "kind": "formula", "of": {"t": "boiler/Temperature"}, "value": "t", "into": "boiler/x"},
            "boiler is a device of its own",
        ),
    ],
)
async def test_what_is_wrong_with_a_rule_is_named(
    api: httpx.AsyncClient, room: RuleRoom, body: Any, words: str
) -> None:
    answer = await api.post(RULES, json=body)
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert len((await api.get(RULES)).json()["rules"]) == 1


async def test_a_body_of_another_name_is_refused(api: httpx.AsyncClient, room: RuleRoom) -> None:
    assert (await api.put(f"{RULES}/other", json=HOT)).status_code == 400


async def test_alarms_are_listed_and_acknowledged(api: httpx.AsyncClient, house: House, room: RuleRoom) -> None:
    alarms = house.parts.alarms
    assert alarms is not None
    assert (await api.get(ALARMS)).json() == {"alarms": []}
    alarms.tell("of-file", "raised", "95 above 90", 95.0, Subject("boiler", "Temperature"), "critical")
    (one,) = (await api.get(ALARMS)).json()["alarms"]
    assert (one["name"], one["device"], one["severity"], one["acknowledged"]) == ("of-file", "boiler", "critical", 0)
    path = f"{ALARMS}/{one['id']}/acknowledge"
    assert (await api.post(path, json={"comment": 5})).status_code == 400
    assert (await api.post(path, json=[])).status_code == 400
    seen = await api.post(path)
    assert (seen.status_code, seen.json()["acknowledged"]) == (200, house.clock.now())
    assert seen.json()["by"]
    assert (await api.post(f"{ALARMS}/nothing/acknowledge")).status_code == 404


async def test_metrics_tell_of_rules_and_alarms(api: httpx.AsyncClient, house: House, room: RuleRoom) -> None:
    alarms = house.parts.alarms
    assert alarms is not None
    alarms.tell("of-file", "raised", "x", about=Subject("boiler", "Temperature"))
    text = (await api.get("/metrics")).text
    assert 'southgate_alarms_raised{seen="no"} 1.0' in text
    assert 'southgate_rule_idle{rule="of-file"} 0.0' in text


async def test_a_house_without_rules(api: httpx.AsyncClient) -> None:
    assert (await api.get(RULES)).status_code == 503
    assert (await api.get(ALARMS)).status_code == 503
