"""Devices as rows of a table: out and in again is the same, formulas are harmless, wrong cells are named."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.csvcell import DANGEROUS, armed, cell_of, csv_row, disarmed, value_of
from gateway.model.csvtext import Row, sheet
from gateway.model.device import Device
from gateway.model.devicecsv import (
    WrongCell,
    columns,
    columns_of,
    heading_score,
    plain,
    row_of,
    tree_of,
)
from gateway.model.eventcell import events_cell, events_of
from gateway.model.scalar import LiteralFloat, literal_text

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
NAME = TEXT.filter(lambda text: bool(text.strip()))
ODD = st.sampled_from(
    ["=1+1", "'=x", "''", "-5", "+1", "@a", '"q"', "a;b", "a,b", " x ", "true", "502", "null", "[1]", "a\nb"]
)
SCALAR = st.one_of(TEXT, ODD, st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.floats(-1e9, 1e9))
VALUE = st.one_of(SCALAR, st.lists(SCALAR, max_size=2), st.dictionaries(TEXT, SCALAR, max_size=2))
EVENT = st.fixed_dictionaries(
    {"sourceName": st.one_of(NAME, st.sampled_from(["a every 1s", "x;y", "[z"])), "interval": st.just("1m30s")},
    optional={"onChange": st.booleans(), "onChangeThreshold": st.sampled_from([0.0, 0.5, 1e-9]),
              "retention": st.sampled_from([{}, {"maxCap": 3}])},
)  # fmt: skip
OWN = st.fixed_dictionaries(
    {"parameters": st.one_of(st.dictionaries(TEXT, SCALAR, max_size=3), VALUE)}, optional={"other": VALUE}
)
DEVICE = st.fixed_dictionaries(
    {"name": st.one_of(NAME, ODD.filter(lambda t: "\n" not in t))},
    optional={
        "profileName": TEXT, "serviceName": TEXT, "description": st.one_of(TEXT, ODD), "parent": TEXT,
        "adminState": st.sampled_from(["LOCKED", "UNLOCKED"]), "operatingState": st.sampled_from(["UP", "DOWN"]),
        "labels": st.lists(st.one_of(TEXT, ODD), max_size=3), "location": VALUE,
        "tags": st.dictionaries(TEXT, VALUE, max_size=2),
        "properties": st.one_of(st.dictionaries(TEXT, VALUE, max_size=2), OWN),
        "protocols": st.dictionaries(
            st.one_of(TEXT, st.just("modbus-tcp")), st.dictionaries(TEXT, VALUE, max_size=3), max_size=3
        ),
        "autoEvents": st.lists(EVENT, max_size=3),
    },
)  # fmt: skip


def table_of(devices: list[Device]) -> bytes:
    head = columns_of(devices)
    return "".join([csv_row(list(head.names)), *(csv_row(row_of(device, head)) for device in devices)]).encode(
        "utf-8-sig"
    )


def read(raw: bytes, known: dict[str, Device] | None = None) -> list[Device]:
    found = sheet(raw, "t.csv", heading_score, "name")
    head = columns(found.head)
    rows = [row for row in found.rows() if isinstance(row, Row)]
    return [Device.model_validate(tree_of(plain(row.cells), head, (known or {}).get(row.cells[0]))) for row in rows]


@given(trees=st.lists(DEVICE, max_size=4, unique_by=lambda tree: tree["name"]))
@settings(max_examples=400, deadline=None)
def test_out_and_in_again(trees: list[dict[str, Any]]) -> None:
    """T28: whatever stands in a device, and no cell of it is a formula."""
    devices = [Device.model_validate(tree) for tree in trees]
    raw = table_of(devices)
    assert read(raw) == devices
    head = columns_of(devices)
    for device in devices:
        cells = row_of(device, head)
        assert Device.model_validate(tree_of(cells, head, device)) == device
        assert row_of(Device.model_validate(tree_of(cells, head, None)), head) == cells
    for line in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")):
        assert not [cell for cell in line if cell[:1] in DANGEROUS and cell[:1] and not cell.lstrip("+-")[:1].isdigit()]


@pytest.mark.parametrize("evil", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1"])
def test_formulas_are_disarmed(evil: str) -> None:
    """T28: formula injection on export."""
    assert disarmed(evil)[0] == "'"
    assert armed(disarmed(evil)) == evil


@pytest.mark.parametrize("text", ["-5", "+1.5e3", "'tis", "a=b", "", "name"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert armed(disarmed(text)) == text
    if text[:1] != "'":
        assert disarmed(text) == text


def test_cells_keep_types_and_literal_text() -> None:
    assert literal_text(value_of("10.10")) == "10.10"
    assert cell_of(LiteralFloat(10.1, "10.10")) == "10.10"
    assert cell_of("502") == '"502"'
    assert value_of('"502"') == "502"
    assert value_of("0x10") == 16
    assert value_of("yes") == "yes"
    assert value_of('{"a": [1, 2.50]}') == {"a": [1, LiteralFloat(2.5, "2.50")]}
    with pytest.raises(ValueError, match="is no JSON"):
        value_of("{a}")


def test_a_column_that_is_not_there_leaves_things_as_they_are() -> None:
    tree = {
        "name": "d", "profileName": "p", "labels": ["x"], "description": "old",
        "protocols": {"modbus-tcp": {"Address": "h", "Port": 502, "UnitID": 1}},
    }  # fmt: skip
    device = Device.model_validate(tree)
    head = columns(["name", "protocols.modbus-tcp.UnitID", "description"])
    changed = Device.model_validate(tree_of(["d", "7", ""], head, device))
    assert changed.protocols == {"modbus-tcp": {"Address": "h", "Port": 502, "UnitID": 7}}
    assert (changed.profile_name, changed.labels, changed.description) == ("p", ["x"], "")
    gone = Device.model_validate(tree_of(["d", "", ""], head, device))
    assert gone.protocols == {"modbus-tcp": {"Address": "h", "Port": 502}}


@pytest.mark.parametrize(
    ("heads", "what"),
    [(["nmae"], "did you mean name"), (["name", "name"], "stands twice"), (["profileName"], "no column of names"),
     (["name", "colour"], "there are")],
)  # fmt: skip
def test_wrong_headings(heads: list[str], what: str) -> None:
    with pytest.raises(WrongCell, match=what):
        columns(heads)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("autoEvents", "sometimes"), ("autoEvents", "[1"), ("labels", "[1]"), ("tags", "{"), ("protocols", "5"),
     ("protocols.a", "x"), ("protocols.a.B", "[1"), ("autoEvents", "x every 1s on change > much")],
)  # fmt: skip
def test_wrong_cells(name: str, cell: str) -> None:
    with pytest.raises(WrongCell) as error:
        tree_of(["d", cell], columns(["name", name]), None)
    assert error.value.column == name


def test_auto_events_as_text() -> None:
    text = "Values every 10s; a every b every 1s on change > 0.5; M every 500ms on change"
    events = Device.model_validate({"name": "d", "autoEvents": events_of(text)}).auto_events
    assert [(e.source_name, e.interval, e.on_change, e.on_change_threshold) for e in events] == [
        ("Values", "10s", False, 0), ("a every b", "1s", True, 0.5), ("M", "500ms", True, 0),
    ]  # fmt: skip
    assert events_cell(events) == text
