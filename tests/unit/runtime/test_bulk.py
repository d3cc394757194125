"""T28: many devices at once as CSV, through the registry: a verdict for every row, all or nothing, out and in again."""

import asyncio
import time
from pathlib import Path

import pytest

from gateway.model.configuration import Configuration
from gateway.model.device import AdminState
from gateway.model.dump import dump_devices_by_line
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices
from gateway.runtime.clock import SystemClock
from gateway.runtime.configuration.bulk import Import, Outcome, exported
from tests.support.clock import MovingClock
from tests.unit.runtime.registry import House, another, furnished

HEAD = "name,profileName,serviceName,adminState,protocols.scripted.Line,protocols.scripted.Unit,autoEvents\n"


@pytest.fixture
async def house(tmp_path: Path, clock: MovingClock) -> House:
    found = furnished(tmp_path, clock)
    await found.registry.reload()
    return found


async def taken(house: House, text: str | bytes, dry_run: bool = False, partial: bool = False) -> Outcome:
    raw = text if isinstance(text, bytes) else text.encode()
    return await Import(house.registry, house.clock, dry_run, partial).run(raw, "devices.csv")


def said(outcome: Outcome) -> list[tuple[int, str, str]]:
    return [(verdict.row, verdict.name, verdict.fate.value) for verdict in outcome.verdicts]


async def text_of(house: House) -> str:
    return "".join([piece async for piece in exported(house.registry.current.devices, house.clock)])


async def test_added_changed_unchanged(house: House) -> None:
    text = HEAD + "one,meter,device-scripted,UNLOCKED,L1,1,All every 1s\ntwo,meter,device-scripted,LOCKED,L1,2,\n" \
                  "three,meter,device-scripted,,L2,3,Voltage every 500ms on change\n"  # fmt: skip
    before = house.files()
    looked = await taken(house, text, dry_run=True)
    assert said(looked) == [(2, "one", "unchanged"), (3, "two", "changed"), (4, "three", "added")]
    assert (looked.applied, looked.refused) == (False, False)
    assert house.files() == before
    done = await taken(house, text)
    assert said(done) == said(looked)
    assert done.applied
    current = house.registry.current.devices
    assert current["two"].admin_state is AdminState.LOCKED
    assert current["two"].auto_events is None
    assert current["three"].protocols == {"scripted": {"Line": "L2", "Unit": 3}}
    assert set(house.registry.planned) == {"one", "two", "three"}
    again = await taken(house, text)
    assert {fate for _, _, fate in said(again)} == {"unchanged"}
    assert not again.applied


async def test_an_export_goes_in_again_without_a_change(house: House) -> None:
    """T28: formula injection on export, byte order mark, quotes, encodings, separators."""
    odd = another("=cmd|' /C calc'!A0", description="-1+1", labels=["@x", "a;b"], tags={"n": "502", "f": 1.5})
    await house.registry.change(lambda current: current.with_devices([odd]))
    text = await text_of(house)
    assert text.startswith("\ufeffname,")
    assert "'=cmd" in text
    assert not [line for line in text.splitlines() if line[:1] in "=+-@"]
    before = house.files()
    for raw in (text.encode(), text.replace("\r\n", "\n").encode("utf-16")):
        outcome = await taken(house, raw)
        assert [fate for _, _, fate in said(outcome)] == ["unchanged"] * 3
        assert not outcome.applied
    assert house.files() == before
    semicolons = "\n".join(";".join(f'"{cell}"' for cell in row) for row in [["name", "adminState"], ["one", "LOCKED"]])
    assert said(await taken(house, semicolons)) == [(2, "one", "changed")]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("x,metre,device-scripted,,L2,3,", "there is no profile metre"),
        ("x,meter,device-scripted,OPEN,L2,3,", "adminState: expected one of LOCKED"),
        ("x,meter,device-scripted,,L2,3,Voltage", "expected such as Values every 10s"),
        ("x,meter,device-scripted,,L2,3,Nothing every 1s", "Nothing"),
        ("x,meter,device-scripted,,,3,", "the line is missing"),
        ("x,meter,device-x,,L2,3,", "device-x"),
        ("one,meter,device-scripted,,L1,1,All every 1s", "stands in row 2 already"),
        (",meter,device-scripted,,L2,3,", "name"),
        ('x,meter,"device-scripted" y,,L2,3,', "behind a closing quote"),
        ("x,meter,device-scripted,,L2,3,,more", "under no heading"),
        ("x,meter,device-scripted,,L2,[1,", "is no JSON"),
    ],
)
async def test_one_wrong_row_and_nothing_is_changed(house: House, row: str, why: str) -> None:
    """T28: every row that is wrong is named with its row, line, column and reason."""
    text = HEAD + "one,meter,device-scripted,,L1,9,All every 1s\n" + row + "\ngood,meter,device-scripted,,L2,4,\n"
    before, digest = house.files(), house.registry.digest
    outcome = await taken(house, text)
    assert [fate for _, _, fate in said(outcome)] == ["changed", "refused", "added"]
    assert why in outcome.verdicts[1].why
    assert (outcome.verdicts[1].row, outcome.verdicts[1].line) == (3, 3)
    assert not outcome.applied
    assert (house.files(), house.registry.digest) == (before, digest)
    partly = await taken(house, text, partial=True)
    assert said(partly) == said(outcome)
    assert partly.applied
    assert house.registry.current.devices["one"].protocols["scripted"]["Unit"] == 9
    assert "good" in house.registry.current.devices


@pytest.mark.parametrize(
    "raw", [b"", b"a,b\n1,2", b"profileName\nx", b"name,nmae\n", b"PK\x03\x04", b"name,name\nx,y\n"]
)
async def test_another_file(house: House, raw: bytes) -> None:
    with pytest.raises(ConfigError):
        await taken(house, raw)


async def test_a_million_rows_end_in_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """T28: a million rows are bounded: what is past the limit is not looked at."""
    monkeypatch.setattr("gateway.runtime.configuration.bulk.MAX_ROWS", 1000)
    text = "name,profileName\n" + "".join(f"d{n},metre\n" for n in range(1_000_000))
    outcome = await taken(house, text)
    assert len(outcome.verdicts) == 1001
    assert outcome.verdicts[-1].row == 1002
    assert "what follows were not looked at" in outcome.verdicts[-1].why


async def test_somebody_else_is_quicker(house: House) -> None:
    change, turns = house.registry.change, []

    async def meanwhile(edit, dry_run=False):  # type: ignore[no-untyped-def]
        if not turns:
            turns.append(1)
            await change(lambda current: current.with_devices([another("x", description="theirs")]))
        return await change(edit, dry_run)

    house.registry.change = meanwhile  # type: ignore[method-assign]
    outcome = await taken(house, "name,description\nx,mine\none,new\n")
    assert said(outcome)[0] == (2, "x", "changed")
    found = house.registry.current.devices["x"]
    assert (found.description, found.profile_name) == ("mine", "meter")


async def test_a_crowd_is_written_as_lists_and_single_devices_leave_them(house: House) -> None:
    rows = "".join(f"d{n},meter,device-scripted,,L{n % 7},{n},All every 1s\n" for n in range(1500))
    assert (await taken(house, HEAD + rows)).applied
    lists = sorted((house.devices / "api").glob("many-*.yaml"))
    assert len(lists) == 2
    assert len(house.registry.current.devices) == 1502
    assert not await house.registry.reload()
    assert (await taken(house, "name,description\nd7,alone\n")).applied
    assert not await house.registry.reload()
    assert house.registry.current.devices["d7"].description == "alone"
    assert (await taken(house, HEAD + rows.replace("every 1s", "every 2s"))).applied
    difference = await house.registry.reload()
    assert not difference
    assert [p for p in difference.problems if p.severity == "error"] == []


async def test_the_loop_runs_on_meanwhile(tmp_path: Path, clock: MovingClock) -> None:
    """20,000 rows that change nothing: the others have their turn most of the time. A share of the whole, no fixed
    time, and single long waits do not count: the garbage collector looks through all that other tests left."""
    house = furnished(tmp_path, clock)
    await house.registry.reload()
    devices = [another(f"d{n}") for n in range(20_000)]
    configuration = Configuration(house.registry.current.profiles, {device.name: device for device in devices})

    class Still:
        current = configuration

    real = SystemClock()
    text = "".join([piece async for piece in exported(configuration.devices, real)])
    stalled = 0.0

    async def heart() -> None:
        nonlocal stalled
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            gap = time.perf_counter() - before
            stalled += gap if gap > 0.04 else 0.0

    beating = asyncio.create_task(heart())
    begun = time.perf_counter()
    outcome = await Import(Still(), real).run(text.encode(), "d.csv")  # type: ignore[arg-type]
    whole = time.perf_counter() - begun
    beating.cancel()
    assert outcome.counts()["unchanged"] == 20_000
    assert stalled < 0.6 * whole


def test_one_device_a_line_reads_back_equal() -> None:
    devices = [
        another(f"d{n}", description=f"a\u0085b\u2028\ufeff{chr(0x1F600)} : # {{", tags={"k" * 2000: n})
        for n in range(2)
    ]
    assert load_devices(dump_devices_by_line(devices), "d.yaml", strict=True).value == devices
    short = [another("d", description='"\u0085', tags={"x": 1.5, "none": None, "t": True})]
    text = dump_devices_by_line(short)
    assert text.count("\n") == 2
    assert load_devices(text, "d.yaml", strict=True).value == short


TEMPLATE = """\
name: meter
parameters:
  ratio: { valueType: Float64, defaultValue: 1, minimum: 1 }
  serial: { valueType: String, defaultValue: none }
deviceResources:
  - name: Voltage
    attributes: { a: 1 }
    tags: { serial: $(serial) }
    properties: { valueType: Float32, readWrite: R, scale: $(ratio) }
"""
WITH = (
    "name,profileName,serviceName,protocols.scripted.Line,protocols.scripted.Unit,parameters.ratio,parameters.serial\n"
)


@pytest.fixture
async def templated(tmp_path: Path, clock: MovingClock) -> House:
    found = House(tmp_path, clock)
    (found.profiles / "meter.yaml").write_text(TEMPLATE)
    await found.registry.reload()
    text = WITH + 'a,meter,device-scripted,L1,1,80,"""0010"""\nb,meter,device-scripted,L1,2,,=1+1\n'
    assert (await taken(found, text)).counts()["added"] == 2
    return found


def ratios(house: House) -> dict[str, object]:
    return {name: one.properties.get("parameters") for name, one in house.registry.current.devices.items()}


async def test_parameters_are_columns(templated: House) -> None:
    """T28, with parameters: out, harmless for a spreadsheet, and in again without a change."""
    assert ratios(templated) == {"a": {"ratio": 80, "serial": "0010"}, "b": {"serial": "=1+1"}}
    resource = templated.registry.planned["a"].profile.device_resources[0]
    assert (resource.properties.scale, resource.tags) == (80.0, {"serial": "0010"})
    text = await text_of(templated)
    assert text.splitlines()[0].endswith("parameters.ratio,parameters.serial,autoEvents")
    assert "properties" not in text
    assert "'=1+1" in text
    before, files = dict(templated.registry.planned), templated.files()
    again = await taken(templated, text)
    assert [fate for _, _, fate in said(again)] == ["unchanged", "unchanged"]
    assert (templated.files(), dict(templated.registry.planned)) == (files, before)


async def test_a_changed_cell_replans_its_device_alone(templated: House) -> None:
    before = dict(templated.registry.planned)
    text = "name,parameters.ratio\na,\nb,5\n"
    looked = await taken(templated, text, dry_run=True)
    assert [fate for _, _, fate in said(looked)] == ["changed", "changed"]
    assert dict(templated.registry.planned) == before
    assert (await taken(templated, "name,parameters.ratio\nb,5\n")).applied
    assert templated.registry.planned["a"] is before["a"]
    assert ratios(templated)["b"] == {"serial": "=1+1", "ratio": 5}
    assert (await taken(templated, "name;parameters.ratio;parameters.serial\na;;\n")).applied
    assert templated.registry.current.devices["a"].properties == {}


@pytest.mark.parametrize(("value", "got"), [("0", "0"), ("many", "'many'"), ("[1]", "a list"), ('"""80"""', "'80'")])
async def test_a_wrong_value_is_a_row_of_its_own(templated: House, value: str, got: str) -> None:
    """T28: the row and the column that are to blame; the others are in order."""
    outcome = await taken(templated, f"name,parameters.ratio\na,{value}\nb,3\n", partial=True)
    wrong, right = outcome.verdicts
    assert (wrong.name, wrong.row, wrong.column) == ("a", 2, "parameters.ratio")
    assert wrong.why == f"parameters.ratio: expected a number of 1 or more, got {got}"
    assert (right.name, right.fate.value, outcome.applied) == ("b", "changed", True)


@pytest.mark.parametrize("partial", [False, True])
async def test_a_value_that_cannot_be_with_the_profile_is_the_fault_of_its_row(templated: House, partial: bool) -> None:
    """T28: the value is well by itself; what the profile makes of it is not, for this device alone."""
    (templated.profiles / "meter.yaml").write_text(TEMPLATE.replace("$(ratio)", "$(1 / (ratio - 7))"))
    await templated.registry.reload()
    outcome = await taken(templated, "name,parameters.ratio\na,7\nb,3\n", partial=partial)
    wrong, right = outcome.verdicts
    assert (wrong.fate.value, right.fate.value, outcome.applied) == ("refused", "changed", partial)
    assert wrong.why == (
        "profile meter: deviceResources[0].properties.scale: $(1 / (ratio - 7)) divides by 0 "
        "(with the parameters and overrides of device a)"
    )
    assert outcome.problems == []


async def test_a_column_for_no_parameter(templated: House) -> None:
    """T28: a heading that means nothing for the profile of a row."""
    outcome = await taken(templated, "name,parameters.ration\na,2\n")
    why = "parameters.ration: profile meter has no parameter ration; did you mean ratio?"
    assert [verdict.why for verdict in outcome.verdicts] == [why]
    assert not outcome.applied


async def test_other_properties_keep_their_column(templated: House) -> None:
    one = templated.registry.current.devices["a"]
    both = one.model_copy(update={"properties": {**one.properties, "overrides": {"Voltage": {"tags": {"x": 1}}}}})
    await templated.registry.change(lambda current: current.with_devices([both]))
    text = await text_of(templated)
    assert "properties,protocols" in text.splitlines()[0]
    assert not (await taken(templated, text)).applied
    assert (await taken(templated, "name,properties\na,\n")).applied
    assert templated.registry.current.devices["a"].properties == one.properties
