"""`southgate devices export` and `import`, on a folder; and `southgate import`, from the file to `check`."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Gateway, Run

PROFILE = """
name: p
deviceResources:
  - name: a
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 0 }
    properties: { valueType: Int16, readWrite: R }
"""
TABLE = (
    "name;profileName;protocols.modbus-tcp.Address;protocols.modbus-tcp.UnitID;autoEvents\n"
    "one;p;10.0.0.1;1;a every 1s\ntwo;p;10.0.0.1;2;a every 1s\n"
)


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    folder = tmp_path / "plant"
    for name in ("profiles", "devices"):
        (folder / name).mkdir(parents=True)
    (folder / "profiles" / "p.yaml").write_text(PROFILE)
    return folder


def test_a_folder_in_and_out(southgate: Run, plant: Path) -> None:
    Path("in.csv").write_text(TABLE)
    looked = southgate("devices", "import", "in.csv", "--folder", plant, "--dry-run")
    assert (looked.code, looked.out.splitlines()[-1]) == (
        0, "2 added, 0 changed, 0 unchanged, 0 refused: nothing is written (dry run)",
    )  # fmt: skip
    assert list((plant / "devices").rglob("*.yaml")) == []
    assert southgate("devices", "import", "in.csv", "--folder", plant).code == 0
    assert southgate("check", plant).code == 0
    assert southgate("devices", "export", "out.csv", "--folder", plant).out == "2 devices: out.csv\n"
    again = southgate("devices", "import", "out.csv", "--folder", plant)
    assert again.out == "0 added, 0 changed, 2 unchanged, 0 refused: nothing was changed\n"
    shown = southgate("devices", "export", "-", "--folder", plant)
    assert shown.out == Path("out.csv").read_bytes().decode().replace("\r\n", "\r\n")


def test_a_wrong_row(southgate: Run, plant: Path) -> None:
    Path("in.csv").write_text(TABLE + "three;q;10.0.0.1;3;\n")
    ran = southgate("devices", "import", "in.csv", "--folder", plant)
    assert ran.code == 1
    assert "in.csv:4: error: row 4, column profileName: three: there is no profile q" in ran.err
    assert list((plant / "devices").rglob("*.yaml")) == []
    partly = southgate("devices", "import", "in.csv", "--folder", plant, "--partial", "--json")
    assert partly.code == 1
    assert json.loads(partly.out)["applied"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["devices", "meter", "x.csv"], "southgate devices export FILE"),
        (["devices", "--dry-run"], "belong to export FILE and import FILE"),
        (["devices", "export", "x.csv", "--partial"], "belong to import"),
        (["devices", "import", "none.csv"], "none.csv: error: cannot be read"),
        (["devices", "export", "none/x.csv", "--folder", "."], "cannot be written"),
        (["import", "table", "none.csv"], "none.csv: error: cannot be read"),
        (["import", "table", "in.csv", "--column", "scale"], "write it as scale=Gain"),
        (["import", "table", "in.csv", "--interval", "soon"], "a duration such as"),
        (["import", "table", "in.csv"], "what do the addresses count from?"),
    ],
)
def test_wrong_use(southgate: Run, arguments: list[str], said: str) -> None:
    Path("in.csv").write_text("Address,Name,Type\n1,a,U16\n")
    ran = southgate(*arguments)
    assert ran.code == 2
    assert said in ran.err


def test_a_running_gateway(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/devices.csv", "name\r\none\r\n".encode("utf-8-sig"))
    assert southgate("devices", "export", "out.csv", "--url", gateway.url).code == 0
    assert Path("out.csv").read_bytes() == b"\xef\xbb\xbfname\r\none\r\n"


def test_import_writes_what_check_takes(southgate: Run) -> None:
    Path("in.csv").write_text("Address,Name,Type,Colour\n1,a,U16,red\n2,b,FLOAT,\n")
    given = ["import", "table", "in.csv", "--address-base", "1", "--table", "holding", "--address", "10.0.0.1"]
    ran = southgate(*given)
    assert ran.code == 1
    assert "in.csv:1: warning: row 1, column Colour: left out: this column is not known" in ran.err
    assert "profile in: 2 values" in ran.out
    assert southgate("check", "imported").code == 0
    there = southgate(*given)
    assert there.code == 2
    assert "is there already; --force replaces it" in there.err
    lenient = southgate(*given, "--force", "--lenient", "--json")
    assert lenient.code == 0
    assert json.loads(lenient.out)["left_out"] == 1


def test_parameters_in_and_out(southgate: Run, plant: Path) -> None:
    """T28: the row and the column of a wrong value; out and in again without a change."""
    (plant / "profiles" / "p.yaml").write_text(
        PROFILE.replace("name: p\n", "name: p\nparameters: { base: { valueType: Uint16, maximum: 99 } }\n", 1).replace(
            "startingAddress: 0", "startingAddress: $(base)"
        )
    )
    head = "name;profileName;protocols.modbus-tcp.Address;protocols.modbus-tcp.UnitID;parameters.base;autoEvents\n"
    Path("in.csv").write_text(head + "one;p;10.0.0.1;1;7;a every 1s\ntwo;p;10.0.0.1;2;100;a every 1s\n")
    refused = southgate("devices", "import", "in.csv", "--folder", plant)
    assert refused.code == 1
    said = "in.csv:3: error: row 3, column parameters.base: two: parameters.base: expected a whole number of 0 to 99"
    assert said in refused.err
    Path("in.csv").write_text(head + "one;p;10.0.0.1;1;7;a every 1s\ntwo;p;10.0.0.1;2;8;a every 1s\n")
    assert southgate("devices", "import", "in.csv", "--folder", plant).code == 0
    assert "FC3 holding registers 8" in southgate("plan", plant).out
    assert southgate("devices", "export", "out.csv", "--folder", plant).code == 0
    again = southgate("devices", "import", "out.csv", "--folder", plant)
    assert again.out == "0 added, 0 changed, 2 unchanged, 0 refused: nothing was changed\n"
