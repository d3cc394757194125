"""Rules through the whole program: from devices over the wire to alarms and virtual resources at the cloud."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import yaml

from simulators.world import Running, World, serve
from tests.support.broker import Broker, mosquitto
from tests.support.house import Gateway, house
from tests.support.mqtt import CloudClient, cloud_client

WORLD = """
devices:
  - { profile: eastron-sdm630, name: meter, interval: 100ms }
"""
HOT: Mapping[str, Any] = {
    "name": "overload",
    "kind": "threshold",
    "of": "meter/Power",
    "above": 1000,
    "hysteresis": 100,
    "severity": "critical",
}
SHARE: Mapping[str, Any] = {
    "name": "kilowatts",
    "kind": "formula",
    "of": {"p": "meter/Power"},
    "value": "p / 1000",
    "into": "plant/power",
    "units": "kW",
}
API = "/gateway/api/v1/rules"


@contextlib.asynccontextmanager
async def plant(folder: Path, rules: Sequence[Any]) -> AsyncIterator[tuple[Running, CloudClient, Gateway]]:
    file = folder / "world.yaml"
    file.write_text(WORLD)
    async with (
        serve(World.from_file(file)) as world,
        mosquitto(folder) as broker,
        cloud_client(broker) as cloud,
        _house(folder, world, broker, rules) as gateway,
    ):
        await gateway.until_state("meter", "online")
        yield world, cloud, gateway


def _house(folder: Path, world: Running, broker: Broker, rules: Sequence[Any]) -> AbstractAsyncContextManager[Gateway]:
    world.set("meter", "Power", 100.0)  # it would go up and down by itself
    return house(folder, world, broker, rules=rules)


async def test_an_alarm_is_raised_acknowledged_and_cleared_and_a_formula_is_a_resource_like_any_other(
    tmp_path: Path,
) -> None:
    async with plant(tmp_path, [HOT, SHARE]) as (world, cloud, gateway):
        world.set("meter", "Power", 1500.0)
        topic = gateway.topic("meter", "event/overload")
        raised = (await cloud.one(topic)).body
        assert (raised["state"], raised["severity"], raised["value"]) == ("raised", "critical", 1500.0)
        assert "meter/Power is 1500, above 1000" in raised["why"]

        (listed,) = (await gateway.own("alarms"))["alarms"]
        assert (listed["id"], listed["acknowledged"]) == (raised["id"], 0)
        said = await gateway.cli("alarms", "ack", raised["id"], "--comment", "I am on my way")
        assert said.code == 0, said.err
        seen = (await cloud.until(lambda: cloud.on(topic)[1:]))[0].body
        assert (seen["id"], seen["state"]) == (raised["id"], "acknowledged")
        (listed,) = (await gateway.own("alarms"))["alarms"]
        assert listed["comment"] == "I am on my way"

        await gateway.kill()
        await gateway.start()
        world.set("meter", "Power", 950.0)  # within the limit, not within the hysteresis
        await gateway.until_value("plant", "power", 0.95)
        assert [one["id"] for one in (await gateway.own("alarms"))["alarms"]] == [raised["id"]]
        world.set("meter", "Power", 500.0)
        cleared = await cloud.until(lambda: [m.body for m in cloud.on(topic) if m.body["state"] == "cleared"])
        assert cleared[0]["id"] == raised["id"]
        assert (await gateway.own("alarms"))["alarms"] == []

        await _is_everywhere(cloud, gateway)


async def _is_everywhere(cloud: CloudClient, gateway: Gateway) -> None:
    """The virtual resource is at the cloud, in the twin, and with every EdgeX service."""
    await cloud.until(lambda: _last(cloud, gateway.topic("plant", "tele/power")) == {"power": 0.5})
    assert await gateway.state("plant") == "online"
    device = (await gateway.get("/core-metadata/api/v3/device/name/plant"))["device"]
    assert device["serviceName"] == "device-virtual"
    events = await gateway.get("/core-data/api/v3/event/device/name/plant?limit=1")
    reading = events["events"][0]["readings"][0]
    assert (reading["resourceName"], reading["valueType"], reading["units"]) == ("power", "Float64", "kW")
    read = await gateway.get("/core-command/api/v3/device/name/plant/power")
    assert float(read["event"]["readings"][0]["value"]) == 0.5
    answer = await gateway.ask("DELETE", "/core-metadata/api/v3/device/name/plant")
    assert answer.status_code == 400
    assert "made by rules" in answer.text


def _last(cloud: CloudClient, topic: str) -> Any:
    found = cloud.on(topic)
    return found[-1].body["events"][-1]["v"] if found else None


async def test_rules_come_and_go_over_rest_and_with_gateway_yaml(tmp_path: Path) -> None:
    """T27 in part: what is wrong with a rule is said at once, and everything goes on."""
    async with plant(tmp_path, [HOT]) as (world, _, gateway):
        assert (await gateway.ask("POST", API, json=SHARE)).status_code == 201
        world.set("meter", "Power", 700.0)
        await gateway.until_value("plant", "power", 0.7)
        await _wrong_ones(gateway)

        changed = {**SHARE, "value": "p * 2"}
        assert (await gateway.ask("PUT", f"{API}/kilowatts", json=changed)).status_code == 200
        await gateway.until_value("plant", "power", 1400.0)
        assert await gateway.stop() == 0
        await gateway.start()
        await gateway.until_value("plant", "power", 1400.0)
        said = await gateway.cli("rules")
        assert "kilowatts" in said.out
        assert "overload" in said.out

        document = yaml.safe_load(gateway.config.read_text())
        document["rules"] = [{**HOT, "above": 600}, {"name": "lost", "kind": "missing", "of": "nobody/x", "for": "1s"}]
        gateway.config.write_text(yaml.safe_dump(document))
        gateway.reload()
        await gateway.until(lambda: _raised(gateway, "overload"))
        lost = await gateway.own("rules/lost")
        assert (lost["state"], lost["why"]) == ("idle", "there is no device nobody")

        assert (await gateway.ask("DELETE", f"{API}/kilowatts")).status_code == 204
        assert (await gateway.ask("GET", "/core-metadata/api/v3/device/name/plant")).status_code == 404
        document["rules"] = [{**HOT, "of": "metre/Power"}]
        gateway.config.write_text(yaml.safe_dump(document))
        looked = await gateway.cli("apply", "--dry-run")
        assert looked.code == 0, looked.err
        assert "changed  rule overload" in looked.out
        assert "there is no device metre; did you mean meter?" in looked.out + looked.err
        assert (await gateway.own("rules/overload"))["state"] == "raised"
        document["rules"] = []
        gateway.config.write_text(yaml.safe_dump(document))
        applied = await gateway.cli("apply")
        assert (applied.code, "changed  rule overload" in applied.out) == (0, True), applied.err
        await gateway.until(lambda: _gone(gateway))
        assert (await gateway.own("alarms"))["alarms"] == []


async def _wrong_ones(gateway: Gateway) -> None:
    refused = await gateway.ask("PUT", f"{API}/overload", json={**HOT, "above": 5})
    assert refused.status_code == 409
    assert str(gateway.config) in refused.text
    for body, words in (
        ({**HOT, "name": "x", "of": "metre/Power"}, "did you mean meter?"),
        ({**HOT, "name": "x", "of": "meter/Powr"}, "did you mean Power?"),
        ({**SHARE, "name": "x", "value": "p.__class__", "into": "plant/x"}, "reach into Python"),
        ({**SHARE, "name": "x", "of": {"p": "plant/x"}, "into": "plant/x"}, "which it makes itself"),
        ({**SHARE, "name": "x", "into": "meter/new"}, "a device of its own"),
        ({**SHARE, "name": "x"}, "is made by rule kilowatts already"),
        ({**HOT, "name": "x", "kind": "treshold"}, "did you mean threshold?"),
    ):
        answer = await gateway.ask("POST", API, json=body)
        assert answer.status_code == 400, body
        assert words in answer.text, answer.text
    assert (await gateway.ask("POST", API, json=SHARE)).status_code == 409


async def _raised(gateway: Gateway, name: str) -> bool:
    return any(one["name"] == name for one in (await gateway.own("alarms"))["alarms"])


async def _gone(gateway: Gateway) -> bool:
    return (await gateway.own("rules"))["rules"] == []


async def test_what_divides_by_zero_is_a_bad_value_and_counted_and_nothing_stalls(tmp_path: Path) -> None:
    rule = {**SHARE, "value": "1 / p", "units": ""}
    async with plant(tmp_path, [rule]) as (world, cloud, gateway):
        world.set("meter", "Power", 0.0)

        async def failing() -> Any:
            found = await gateway.own("rules/kilowatts")
            return found if found["errors"] else None

        found = await gateway.until(failing)
        assert found["watching"][0]["last_error"] == "division by zero"
        await cloud.until(lambda: _last(cloud, gateway.topic("plant", "tele/power")) == {"power": None})
        assert await gateway.state("meter") == "online"
        world.set("meter", "Power", 4.0)
        await gateway.until_value("plant", "power", 0.25)
        await asyncio.sleep(0)


MODEL = """
def score(window):
    last = window["p"][-1]
    return {"score": last / 1000, "label": "high" if last > 500 else "low", "hard": last > 800}
"""
SCORE: Mapping[str, Any] = {
    "name": "load",
    "kind": "score",
    "of": {"p": "meter/Power"},
    "window": 2,
    "call": "model_of_plant:score",
    "version": "7",
    "into": "plant/score",
    "label": "plant/label",
    "hard": {"into": "plant/hard"},
}


async def test_a_model_beside_gateway_yaml_scores_and_its_process_ends_with_the_gateway(tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "model_of_plant.py").write_text(MODEL)
    async with plant(tmp_path, [SCORE]) as (world, cloud, gateway):
        await gateway.until_value("plant", "label", "low")
        world.set("meter", "Power", 900.0)
        await gateway.until_value("plant", "score", 0.9)
        hard = await cloud.until(lambda: _last(cloud, gateway.topic("plant", "tele/hard")))
        assert (hard["hard"]["label"], hard["hard"]["version"]) == ("high", "7")
        text = (await gateway.ask("GET", "/metrics")).text
        assert 'southgate_model_running{rule="load"} 1.0' in text
        for end in (gateway.stop, gateway.kill):
            workers = _workers(gateway.pid)
            assert len(workers) == 1
            await end()
            await gateway.until(lambda workers=workers: _ended(workers))
            await gateway.start()
            await gateway.until_value("plant", "score", 0.9)


def _workers(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in found if b"analysis.scoring" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def _ended(workers: Sequence[int]) -> bool:
    return not any(b"analysis.scoring" in _command_line(pid) for pid in workers)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_what_is_refused_leaves_rules_as_they_were_and_a_storm_of_signals_ends_with_the_last_file(
    tmp_path: Path,
) -> None:
    async with plant(tmp_path, [HOT]) as (_, _, gateway):
        document = yaml.safe_load(gateway.config.read_text())
        devices = next((tmp_path / "plant").rglob("devices/*.y*ml"))
        good = devices.read_text()
        devices.write_text("nonsense: [")
        document["rules"] = [{**HOT, "above": 5}]
        gateway.config.write_text(yaml.safe_dump(document))
        for arguments in (("apply", "--dry-run"), ("apply",)):
            assert (await gateway.cli(*arguments)).code == 2
            assert (await gateway.own("rules/overload"))["rule"]["above"] == 1000
        devices.write_text(good)
        for limit in range(1, 200):
            document["rules"] = [{**HOT, "above": 2000 + limit}]
            gateway.config.write_text(yaml.safe_dump(document))
            gateway.reload()
            await asyncio.sleep(0.005)

        async def last() -> bool:
            return (await gateway.own("rules/overload"))["rule"]["above"] == 2199

        await gateway.until(last)
        await asyncio.sleep(1)
        assert await last()
        assert await gateway.state("meter") == "online"
