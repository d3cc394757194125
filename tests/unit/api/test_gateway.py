"""What EdgeX lacks: health, plans, twins, lanes, journal, configuration, metrics, the page of routes."""

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.common import unix_date
from gateway.model.errors import ConfigError, Problem
from tests.unit.api.conftest import PROFILE, device_body
from tests.unit.api.fakes import House

OWN = "/gateway/api/v1"


async def test_health_is_503_and_says_what_is_wrong(house: House, api: httpx.AsyncClient) -> None:
    assert (await api.get(f"{OWN}/health")).status_code == 200
    house.problems = ("boiler: no values for 12 s, expected every 1 s",)
    ill = await api.get(f"{OWN}/health")
    assert (ill.status_code, ill.json()["problems"]) == (503, list(house.problems))
    assert (await api.get(f"{OWN}/live")).status_code == 200


async def test_plan_shows_requests_bytes_and_facts(api: httpx.AsyncClient) -> None:
    plan = (await api.get(f"{OWN}/plan/boiler")).json()
    assert plan["polls"][0]["requests"][0]["pdu"] == "03 00 00 00 02"
    assert (plan["polls"][0]["bytes"], plan["facts"]) == (25, {"answer_ms": 4})
    assert (await api.get(f"{OWN}/plan")).json()["devices"] == [plan]
    assert (await api.get(f"{OWN}/plan/ghost")).status_code == 404


async def test_what_was_learned_is_shown_with_advice_and_forgotten(house: House, api: httpx.AsyncClient) -> None:
    one = (await api.get(f"{OWN}/facts/boiler")).json()
    assert one == {"device": "boiler", "facts": {"answer_ms": 4}, "advice": ["write {'answer_ms': 4.0} down"]}
    assert (await api.get(f"{OWN}/facts")).json() == {"devices": [one]}
    assert (await api.delete(f"{OWN}/facts/boiler")).status_code == 204
    assert house.registry.taught == [("boiler", {})]
    assert (await api.delete(f"{OWN}/facts/ghost")).status_code == 404


async def test_a_device_without_a_profile_has_no_plan(house: House, api: httpx.AsyncClient) -> None:
    house.registry.current = house.registry.current.without_profile("Boiler")
    assert "no profile" in (await api.get(f"{OWN}/plan/boiler")).json()["message"]


async def test_twin_shows_document_values_age_and_freshness(api: httpx.AsyncClient) -> None:
    twin = (await api.get(f"{OWN}/twin/boiler")).json()
    assert (twin["state"], twin["twin"]["properties"]) == ("online", {"Setpoint": 21.5})
    value = twin["values"]["Temperature"]
    assert (value["value"], value["quality"], value["age_s"], value["freshness"]) == (21.5, ["good"], 0.25, "fresh")
    assert [d["device"] for d in (await api.get(f"{OWN}/twin")).json()["devices"]] == ["boiler"]
    assert twin["desired"]["properties"] == {"Setpoint": 22.0}
    assert twin["desired"]["results"]["Setpoint"]["reason"] == "it does not answer"
    assert (await api.get(f"{OWN}/twin/ghost")).status_code == 404


async def test_reports(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"{OWN}/lanes")).json()["lanes"][0]["errors"] == {"no_answer": 3}
    assert (await api.get(f"{OWN}/flows")).json()["flows"][0]["achieved_s"] == 1.01
    assert (await api.get(f"{OWN}/journal")).json()["dropped"] == {"full": 2}
    assert (await api.get(f"{OWN}/consumers")).json()["consumers"][0]["behind"] == 5


async def test_a_line_with_everything_on_it(api: httpx.AsyncClient) -> None:
    (line,) = (await api.get(f"{OWN}/lines")).json()["lines"]
    assert (line["connection"], line["busy"], line["errors"]) == ("127.0.0.1:502", 0.25, {"no_answer": 3})
    assert line["busy_planned"] == pytest.approx(0.004), "one request each second, 4 ms to the answer"
    (boiler,) = line["devices"]
    assert (boiler["device"], boiler["unit"], boiler["state"], boiler["quarantine"]) == ("boiler", 1, "online", None)
    (poll,) = boiler["polls"]
    assert (poll["requested_s"], poll["achieved_s"], poll["reads"], poll["requests"]) == (1.0, 1.01, 60, 1)
    assert (poll["cycle_s"], poll["share"]) == (0.004, 0.004)


async def test_what_is_subscribed_takes_no_time_of_its_line(
    house: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = house.parts.lanes.flows()
    monkeypatch.setattr(house.parts.lanes, "flows", lambda: [replace(flow, mode="subscribed") for flow in read])
    (line,) = (await api.get(f"{OWN}/lines")).json()["lines"]
    assert (line["busy_planned"], line["skew_s"], line["filled"], line["notes"]) == (0, -3600, 7, [])
    (poll,) = line["devices"][0]["polls"]
    assert (poll["mode"], poll["share"]) == ("subscribed", 0)


async def test_reload_and_dry_run(house: House, api: httpx.AsyncClient) -> None:
    dry = (await api.post(f"{OWN}/config/reload?dry_run=true")).json()
    assert (dry["changed"], dry["dry_run"], dry["changed_devices"], house.registry.changes) == (
        True,
        True,
        ["boiler"],
        0,
    )
    await api.post(f"{OWN}/config/reload")
    assert house.registry.changes == 1
    assert (await api.post(f"{OWN}/config/reload?dry_run=perhaps")).status_code == 400


async def test_apply_is_one_change_or_none(house: House, api: httpx.AsyncClient) -> None:
    body = {"profiles": [{**PROFILE, "name": "P2"}], "devices": [device_body("d2")], "remove_devices": ["boiler"]}
    dry = await api.post(f"{OWN}/config/apply?dry_run=true", json=body)
    assert (dry.json()["added_devices"], house.registry.changes) == (["d2"], 0)
    assert (await api.post(f"{OWN}/config/apply", json=body)).json()["removed_devices"] == ["boiler"]
    assert (await api.get(f"{OWN}/config")).json()["devices"] == ["d2"]
    refused = device_body("d3", protocols={"modbus-tcp": {"Refuse": True}})
    answer = await api.post(f"{OWN}/config/apply", json={"devices": [device_body("d4"), refused]})
    assert answer.status_code == 400
    problem = answer.json()["problems"][0]
    assert (problem["where"], problem["line"]) == ("protocols.modbus-tcp.Address", 3)
    assert set(house.registry.current.devices) == {"d2"}
    as_in_a_file = {key: device_body("d5")[key] for key in ("name", "profileName", "protocols")}
    assert (await api.post(f"{OWN}/config/apply", json={"devices": [as_in_a_file]})).json()["added_devices"] == ["d5"]


@pytest.mark.parametrize("body", [{"remove_devices": ["nobody"]}, {"remove_profiles": ["nothing"]}])
async def test_what_is_to_be_removed_must_be_there(body: object, house: House, api: httpx.AsyncClient) -> None:
    for query in ("", "?dry_run=true"):
        answer = await api.post(f"{OWN}/config/apply{query}", json=body)
        assert (answer.status_code, house.registry.changes) == (404, 0)


@pytest.mark.parametrize(
    "body", [[], {"device": []}, {"devices": {}}, {"devices": ["x"]}, {"remove_devices": [1]}, None]
)
async def test_a_bad_set_is_400(body: object, house: House, api: httpx.AsyncClient) -> None:
    assert (await api.post(f"{OWN}/config/apply", json=body)).status_code == 400
    assert house.registry.changes == 0


async def test_files_that_do_not_load_are_400_with_file_and_line(
    house: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reload(dry_run: bool = False) -> None:
        raise ConfigError([Problem("name", "is missing", "devices/x.yaml", 7)])

    monkeypatch.setattr(house.registry, "reload", reload)
    answer = await api.post(f"{OWN}/config/reload")
    assert (answer.status_code, answer.json()["message"]) == (400, "devices/x.yaml:7: name: is missing")
    assert answer.json()["problems"][0]["file"] == "devices/x.yaml"


async def test_metrics_are_prometheus_text(house: House, api: httpx.AsyncClient) -> None:
    answer = await api.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(answer.text)
        for s in family.samples
    }
    lane = (("connection", "127.0.0.1:502"), ("service", "device-modbus"))
    assert all(name.startswith("southgate_") for name, _ in samples)
    assert samples["southgate_lane_connected", lane] == 1
    assert samples["southgate_lane_errors_total", (*lane[:1], ("kind", "no_answer"), *lane[1:])] == 3
    assert samples["southgate_lane_clock_ahead_seconds", lane] == 3600
    assert samples["southgate_lane_filled_values_total", lane] == 7
    assert samples["southgate_journal_dropped_total", (("cause", "full"),)] == 2
    assert samples["southgate_consumer_behind", (("consumer", "mqtt"),)] == 5
    assert samples["southgate_device_state", (("device", "boiler"), ("state", "online"))] == 1
    assert samples["southgate_loop_lag_seconds", ()] == 0.002
    assert samples["southgate_cloud_messages_total", (("cause", "commands"),)] == 3
    flow = (("device", "boiler"), ("interval", "1"), ("sources", "Both"))
    assert samples["southgate_poll_answer_seconds", flow] == pytest.approx(0.0045)
    assert samples["southgate_poll_subscribed", flow] == 0
    house.problems = ("ill",)
    assert "southgate_healthy 0.0" in (await api.get("/metrics")).text


async def test_the_page_of_routes_needs_no_other_server(api: httpx.AsyncClient) -> None:
    page = (await api.get("/docs")).text
    assert "/core-command/api/v3/device/name/{name}/{command}" in page
    assert "http://" not in page
    assert "https://" not in page
    document = (await api.get("/openapi.json")).json()
    assert document["info"]["version"] == "0.1.0"


async def test_ping_version_and_config_on_every_service(house: House, api: httpx.AsyncClient) -> None:
    for service in ("core-data", "core-metadata", "core-command", "device-modbus"):
        ping = (await api.get(f"/{service}/api/v3/ping")).json()
        assert ping == {"apiVersion": "v3", "timestamp": "Thu Nov 20 10:40:00 UTC 2025", "serviceName": service}
        version = (await api.get(f"/{service}/api/v3/version")).json()
        assert (version["version"], "sdk_version" in version) == ("0.1.0", service == "device-modbus")
        config = (await api.get(f"/{service}/api/v3/config")).json()
        assert (list(config), config["config"]) == (["apiVersion", "config", "serviceName"], house.settings)


def test_unix_date_pads_the_day_with_a_blank() -> None:
    at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert unix_date(int(at.timestamp()) * 10**9) == "Tue Feb  3 04:05:06 UTC 2026"
