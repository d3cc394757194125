"""The table of devices over REST: out, in, a verdict for every row."""

import httpx
import pytest

from tests.unit.api.fakes import House

PATH = "/gateway/api/v1/devices.csv"


async def test_out_and_in_again(api: httpx.AsyncClient, house: House) -> None:
    answer = await api.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="devices.csv"'
    lines = answer.content.decode("utf-8-sig").split("\r\n")
    assert lines[0].startswith("name,profileName,serviceName,adminState")
    assert lines[1].startswith("boiler,Boiler,device-modbus,UNLOCKED")
    again = await api.post(PATH, content=answer.content, headers={"Content-Type": "text/csv"})
    assert again.status_code == 200
    assert again.json()["rows"] == [{"row": 2, "name": "boiler", "verdict": "unchanged"}]
    assert not again.json()["applied"]


async def test_a_dry_run_changes_nothing(api: httpx.AsyncClient, house: House) -> None:
    text = "name,profileName,protocols.modbus-tcp.Address\nboiler,Boiler,10.0.0.2\nnew,Boiler,10.0.0.3\n"
    before = house.registry.current
    looked = (await api.post(PATH, params={"dry_run": True}, content=text)).json()
    assert (looked["added"], looked["changed"], looked["applied"], looked["dry_run"]) == (1, 1, False, True)
    assert house.registry.current is before
    done = await api.post(PATH, files={"file": ("mine.csv", text)})
    assert done.json()["applied"]
    assert house.registry.current.devices["boiler"].protocols["modbus-tcp"]["Address"] == "10.0.0.2"
    assert house.registry.current.devices["boiler"].labels == ["hall"]


async def test_all_or_nothing_unless_partial(api: httpx.AsyncClient, house: House) -> None:
    text = "name,profileName\na,Boiler\nb,Boyler\n"
    refused = await api.post(PATH, content=text)
    assert refused.status_code == 400
    assert refused.json()["rows"][1] == {
        "row": 3, "name": "b", "verdict": "refused", "line": 3, "column": "profileName",
        "why": "there is no profile Boyler",
    }  # fmt: skip
    assert "a" not in house.registry.current.devices
    partly = await api.post(PATH, params={"partial": True}, content=text)
    assert partly.status_code == 207
    assert "a" in house.registry.current.devices


@pytest.mark.parametrize("content", [b"", b"what,is,this\n1,2,3\n", b"\x00\x00", b"name,nmae\nx,y\n"])
async def test_no_such_table(api: httpx.AsyncClient, content: bytes) -> None:
    answer = await api.post(PATH, content=content)
    assert answer.status_code == 400
    assert answer.json()["problems"]
