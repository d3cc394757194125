"""A gateway with a history: kept, reported, restarted; rules by file and REST."""

from pathlib import Path
from typing import Any

import yaml

from simulators.world import World, serve
from tests.support.history import rows
from tests.support.house import Gateway, house, southgate

WORLD = """
devices:
  - { profile: xy-md02, name: climate, autoEvents: { Climate: 200ms } }
  - { profile: xy-md02, name: cellar, autoEvents: { Climate: 200ms } }
"""


def without_rules(gateway: Gateway) -> None:
    told = yaml.safe_load(gateway.config.read_text("utf-8"))
    gateway.config.write_text(yaml.safe_dump(told | {"history": {"flush": "1s"}}), "utf-8")


async def kept(gateway: Gateway, least: int) -> Any:
    async def enough() -> Any:
        told = await gateway.own("history")
        return told if told["tiers"].get("raw", {}).get("rows", 0) >= least else None

    return await gateway.until(enough, 30)


async def test_a_history_is_kept_through_restarts_and_by_rules(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD, "utf-8")
    first: dict[str, Any] = {"flush": "1s", "keep": [{"name": "damp", "device": "cellar", "keep": "nothing"}]}
    async with (
        serve(World.from_file(tmp_path / "world.yaml")) as world,
        house(tmp_path, world, history=first) as gateway,
    ):
        await kept(gateway, 20)
        refused = await gateway.ask("DELETE", "/gateway/api/v1/history/keep/damp")
        assert refused.status_code == 409
        await gateway.kill()
        await gateway.start()
        told = await kept(gateway, 40)
        assert told["state"] == "ok"
        without_rules(gateway)
        for arguments in (("apply", "--dry-run"), ("apply",)):
            assert "changed  history.keep" in (await gateway.cli(*arguments)).out
        assert "nothing changed" in (await gateway.cli("apply")).out
        before = (await kept(gateway, 40))["tiers"]["raw"]["rows"]
        await kept(gateway, before + 20)
        said = await southgate("history", "--url", gateway.url)
        assert said.code == 0, said.err
        assert said.out.startswith("history: ok, ")
        assert "raw" in said.out
        data = gateway.folder / "data" / "history"
        assert await gateway.stop() == 0
    found = rows(data)
    assert len({(row[0], row[3]) for row in found}) == len(found)
    assert len({row[0] for row in found}) == 4, "both devices, since the rule is gone"


async def test_check_names_what_is_wrong_with_a_history(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("history: { raw: 5m, keeps: [] }\n", "utf-8")
    said = await southgate("check", tmp_path)
    assert said.code == 2
    assert "history.keeps" in said.err
    assert "an hour or more" in said.err


async def test_a_rule_that_fits_nothing_is_doubted(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD, "utf-8")
    keep = [
        {"device": "celar", "keep": "nothing"},
        {"device": "cellar", "source": "Climates"},
        {"device": "climate", "keep": {"while": "Temprature > 10"}},
        {"device": "c*", "keep": {"while": "Temperature > 10"}},
    ]
    async with (
        serve(World.from_file(tmp_path / "world.yaml")) as world,
        house(tmp_path, world, history={"keep": keep}) as gateway,
    ):
        told = (await gateway.own("history/keep"))["rules"]
        assert [one["doubt"] for one in told] == [
            "no device fits it",
            "nothing that is read of cellar fits its source Climates",
            "Temprature is not read of climate, so nothing of it is kept; did you mean Temperature?",
            "",
        ]
        said = await southgate("check", gateway.config)
        assert said.code == 0
        assert "history.keep[0]: no device fits it" in said.err + said.out
