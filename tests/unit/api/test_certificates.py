"""Certificates over REST: seen, trusted, trusted no more, downloaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.model.errors import ConfigError
from gateway.model.place import Place
from mappers.opcua.security import papers
from mappers.opcua.security.own import own
from mappers.opcua.security.trustlist import TrustList
from tests.support.certificates import NOW, Recipe, key
from tests.unit.api.fakes import FakeProtocols, House

ROUTE = "/gateway/api/v1/certificates"
URL = "opc.tcp://press:4840"


class WithTrust(FakeProtocols):
    def __init__(self, trusts: TrustList) -> None:
        self.trusts = trusts

    def services(self) -> Sequence[str]:
        return ["device-modbus", "device-opcua", "device-missing"]

    def by_service(self, service: str) -> Any:
        if service == "device-missing":
            raise ConfigError("not installed")
        return self.trusts if service == "device-opcua" else super().by_service(service)


@pytest.fixture
def trusts(house: House, tmp_path: Path) -> TrustList:
    made = TrustList(Place(data=tmp_path))
    object.__setattr__(house.parts, "protocols", WithTrust(made))
    return made


@pytest.fixture
def shown() -> papers.Papers:
    return papers.of(Recipe(key=key("weak", 1024)).made())


async def test_nothing_at_first(api: httpx.AsyncClient, trusts: TrustList) -> None:
    assert (await api.get(ROUTE)).json() == {"certificates": [], "problems": []}


async def test_seen_trusted_and_trusted_no_more(
    api: httpx.AsyncClient, trusts: TrustList, shown: papers.Papers, tmp_path: Path
) -> None:
    ours = own(Place(data=tmp_path), NOW)
    trusts.refuse(shown, URL)
    first, second = (await api.get(ROUTE)).json()["certificates"]
    assert (first["standing"], first["thumbprint"], first["file"]) == ("own", ours.papers.thumbprint, str(ours.file))
    assert first["days_left"] > 3600
    assert second | {"days_left": 0, "not_before": 0, "not_after": 0, "file": ""} == {
        "service": "device-opcua",
        "standing": "refused",
        "thumbprint": shown.thumbprint,
        "subject": "CN=Press 4",
        "application_uri": "urn:test:server",
        "hosts": ["localhost", "127.0.0.1"],
        "not_before": 0,
        "not_after": 0,
        "shown_by": URL,
        "file": "",
        "days_left": 0,
    }

    answer = await api.post(f"{ROUTE}/{shown.thumbprint.lower()}/trust")
    assert (answer.status_code, answer.json()["standing"]) == (200, "trusted")
    assert trusts.find(shown.der) is not None
    again = await api.post(f"{ROUTE}/{shown.thumbprint}/trust")
    assert (again.status_code, "trusted already" in again.json()["message"]) == (400, True)

    assert (await api.delete(f"{ROUTE}/{shown.thumbprint}")).status_code == 204
    assert trusts.find(shown.der) is None
    refused = await api.delete(f"{ROUTE}/{ours.papers.thumbprint}")
    assert (refused.status_code, "is not trusted" in refused.json()["message"]) == (400, True)


async def test_a_certificate_can_be_downloaded_and_never_a_key(
    api: httpx.AsyncClient, trusts: TrustList, tmp_path: Path
) -> None:
    ours = own(Place(data=tmp_path), NOW)
    answer = await api.get(f"{ROUTE}/{ours.papers.thumbprint}/file")
    assert answer.content == ours.papers.der
    assert f'filename="{ours.papers.thumbprint}.der"' in answer.headers["Content-Disposition"]
    for path in ("key.pem", "..%2Fkey.pem", f"{ours.papers.thumbprint}%2F..%2Fkey.pem"):
        assert (await api.get(f"{ROUTE}/{path}/file")).status_code == 404


@pytest.mark.parametrize(("verb", "path"), [("POST", "/trust"), ("DELETE", ""), ("GET", "/file")])
async def test_one_that_is_not_there(
    api: httpx.AsyncClient, trusts: TrustList, shown: papers.Papers, verb: str, path: str
) -> None:
    trusts.refuse(shown, URL)
    answer = await api.request(verb, f"{ROUTE}/{'AB' * 20}{path}")
    assert answer.status_code == 404
    assert shown.thumbprint in answer.json()["message"]


async def test_what_cannot_be_read_is_told_beside_the_others(
    api: httpx.AsyncClient, trusts: TrustList, tmp_path: Path
) -> None:
    own(Place(data=tmp_path), NOW).file.write_text("broken")
    answer = await api.get(ROUTE)
    assert answer.status_code == 200
    assert "our own certificate" in answer.json()["problems"][0]
