"""Tags of KEPServerEX."""

from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from tests.unit.importers.helpers import carry, lefts, resources, runs

HEAD = (
    "Tag Name,Address,Data Type,Respect Data Type,Client Access,Scan Rate,Scaling,Raw Low,Raw High,Scaled Low,"
    "Scaled High,Scaled Data Type,Clamp Low,Clamp High,Eng Units,Description,Negate Value\n"
)
TAGS = HEAD + (
    '"Line1.Voltage","400101",Word,1,RO,100,Linear,0,32767,0,3276.7,Float,0,0,"V","phase 1",\n'
    '"Line1.Power","40131",DWord,1,R/W,1000,,,,,,,,,,"",\n'
    '"Energy","300007",Double,1,RO,1000,,,,,,,,,,"",\n'
    '"Run","000001",Boolean,1,R/W,100,,,,,,,,,,"",\n'
    '"Door","100002",Boolean,1,R/W,100,,,,,,,,,,"",\n'
    '"Fault","400200.3",Boolean,1,RO,100,,,,,,,,,,"",\n'
    '"Serial","400300.20H",String,1,RO,5000,,,,,,,,,,"",\n'
    '"Turned","400310.20L",String,1,RO,5000,,,,,,,,,,"",\n'
    '"Count","400400",BCD,1,RO,100,,,,,,,,,,"",\n'
    '"Total","400401",LBCD,1,RO,100,,,,,,,,,,"",\n'
    '"Row","400500[10]",Word Array,1,RO,100,,,,,,,,,,"",\n'
    '"Field","400520[2][3]",Float Array,1,RO,100,,,,,,,,,,"",\n'
    '"Reset","W400600",Short,1,R/W,100,,,,,,,,,,"",\n'
    '"Minus","400700",Short,1,RO,100,Linear,0,100,10,20,Double,0,0,,,1\n'
    '"Plain","41",,1,RO,100,,,,,,,,,,"",\n'
)


def test_every_kind_of_tag(tmp_path: Path) -> None:
    found = carry("kepware", TAGS, address="10.0.0.1", unit=2)
    assert lefts(found) == []
    values = resources(found)
    assert values["Line1.Voltage"] == {
        "valueType": "Float64", "readWrite": "R", "units": "V", "scale": 0.1, "primaryTable": "HOLDING_REGISTERS",
        "startingAddress": 400101, "addressBase": 400001, "rawType": "Uint16",
    }  # fmt: skip
    assert (values["Line1.Power"]["addressBase"], values["Line1.Power"]["byteOrder"]) == (40001, "CDAB")
    assert (values["Energy"]["valueType"], values["Energy"]["byteOrder"]) == ("Float64", "CDAB")
    assert (values["Run"]["startingAddress"], values["Run"]["addressBase"], values["Run"]["readWrite"]) == (1, 1, "RW")
    assert values["Door"]["readWrite"] == "R"
    assert values["Fault"]["startingAddress"] == "400200.3"
    assert (values["Serial"]["stringRegisterSize"], values["Turned"]["byteOrder"]) == (10, "BADC")
    assert (values["Total"]["rawType"], values["Total"]["valueType"]) == ("BCD", "Uint32")
    assert (values["Field"]["valueType"], values["Field"]["arrayLength"]) == ("Float32Array", 6)
    assert values["Reset"]["readWrite"] == "W"
    assert (values["Minus"]["scale"], values["Minus"]["offset"]) == (-0.1, -10)
    assert (values["Plain"]["valueType"], values["Plain"]["startingAddress"]) == ("Uint16", 1)
    commands = {c.name: [o.device_resource for o in c.resource_operations] for c in found.profiles[0].device_commands}
    assert commands["Every-5s"] == ["Serial", "Turned"]
    assert "Reset" not in [name for names in commands.values() for name in names]
    assert {event.interval for event in found.devices[0].auto_events} == {"100ms", "1s", "5s"}
    assert any("CDAB" in note.what for note in found.report.notes())
    assert runs(found, tmp_path) > 3


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a,DB3.DBW4,Word,1,R/W,100", "row 2, column Address: a: 'DB3.DBW4' is no address"),
        ("a,400001#8,Word,1,R/W,100", "row 2, column Address: a: packed coils"),
        ("a,400001,Date,1,R/W,100", "row 2, column Data Type: a: 'date' has no"),
        ("a,400001,Word,1,maybe,100", "row 2, column Client Access: a: 'maybe'"),
        ("a,400001,Word,1,R/W,soon", "row 2, column Scan Rate: a: expected a number"),
        ("a,400001,Boolean,1,R/W,100", "row 2, column Address: a: a Boolean in a register"),
        ("a,400001.16,Boolean,1,R/W,100", "row 2, column Address: a: there is no bit 16"),
        ("a,400001.3,Word,1,R/W,100", "row 2, column Address: a: bit 3"),
        ("a,400001,String,1,R/W,100", "row 2, column Address: a: a String has"),
        ("a,400001,Word Array,1,R/W,100", "row 2, column Address: a: an array has"),
        ("a,400001,Word,1,R/W,100,Square Root,0,1,0,1", "row 2, column Scaling: a: 'Square Root'"),
        ("a,400001,Word,1,R/W,100,Linear,0,0,0,1", "row 2, column Raw High: a: is equal"),
        ("a,400001,Word,1,R/W,100,Linear,0,x,0,1", "row 2, column Raw High: a: expected a number"),
        ("a,499999,Word,1,R/W,100", "row 2: a: attributes.startingAddress"),
        ("a,400001[200],Word,1,R/W,100", "row 2: a: attributes.arrayLength"),
    ],
)
def test_what_cannot_be_carried_over(row: str, why: str) -> None:
    (left,) = lefts(carry("kepware", HEAD + row + "\nok,400002,Word,1,R/W,100\n"))
    assert left.startswith(f"2: {why}"), left


def test_clamps_are_left_out_and_the_tag_stays() -> None:
    found = carry("kepware", HEAD + "a,400001,Word,1,RO,100,Linear,0,10,0,1,Float,1,0\n")
    assert lefts(found) == [
        "2: row 2, column clamp low: a: values are not clamped here; the tag itself was carried over"
    ]
    assert list(resources(found)) == ["a"]


def test_names_that_stand_twice() -> None:
    found = carry("kepware", HEAD + "a,400001,Word\na,400001,Word\na,400002,Word\n")
    assert list(resources(found)) == ["a", "a-2"]
    assert [note.what for note in found.report.notes() if "twice" in note.what] == [
        "a stands twice, both times the same; taken once",
        "a stands twice and differs; this one is named a-2",
    ]


def test_another_file() -> None:
    with pytest.raises(ConfigError, match="an export of KEPServerEX"):
        carry("kepware", "a,b,c\n1,2,3\n")


def test_a_million_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.importers.draft.MAX_VALUES", 1000)
    found = carry("kepware", HEAD + "".join(f"t{n},4{n % 65535 + 1:05},Word\n" for n in range(300_000)))
    assert found.report.left_count == 299_000
