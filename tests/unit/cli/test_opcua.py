"""`southgate opcua`: certificates on files and over REST."""

import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.model.place import Place
from mappers.opcua.endpoint import Endpoint
from mappers.opcua.security import looking, papers
from mappers.opcua.security.choice import Offer
from mappers.opcua.security.looking import Shown
from mappers.opcua.security.own import own
from mappers.opcua.security.papers import Papers
from mappers.opcua.security.trustlist import TrustList
from tests.support.certificates import NOW, Recipe, key
from tests.support.ports import free_port
from tests.unit.cli.conftest import Gateway, Run

URL = "opc.tcp://press:4840"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "gateway.yaml").write_text("gateway: { name: plant, data: kept }\n")
    return Place("plant", tmp_path / "kept", tmp_path)


@pytest.fixture
def shown() -> Papers:
    return papers.of(Recipe(key=key("weak", 1024)).made())


def test_nothing_at_first(place: Place, southgate: Run) -> None:
    assert "no certificates yet" in southgate("opcua", "certificates").out
    assert southgate("opcua", "certificates", "--json").json == []
    assert not place.data.exists()


def test_listed_trusted_and_trusted_no_more(place: Place, shown: Papers, southgate: Run) -> None:
    ours = own(place, NOW)
    TrustList(place).refuse(shown, URL)
    listed = southgate("opcua", "certificates").out
    for words in ("own", ours.papers.thumbprint, "refused", shown.thumbprint, URL, str(ours.file)):
        assert words in listed
    ran = southgate("opcua", "trust", shown.thumbprint)
    assert (ran.code, "is trusted; a running gateway takes it" in ran.out) == (0, True)
    assert TrustList(place).find(shown.der) is not None
    rows = southgate("opcua", "certificates", "--json", "--config", place.folder / "gateway.yaml").json
    assert [row["standing"] for row in rows] == ["own", "trusted"]
    assert southgate("opcua", "distrust", shown.thumbprint, "--json").json["standing"] == "refused"
    assert TrustList(place).find(shown.der) is None


def test_one_that_ends_soon_is_a_warning(place: Place, southgate: Run) -> None:
    from datetime import timedelta

    from tests.support.certificates import put

    put(place.data / "pki" / "own", Recipe(ends=NOW + timedelta(days=30, hours=1)))
    assert "ends in 30 days" in southgate("opcua", "certificates").out
    put(place.data / "pki" / "own", Recipe(ends=NOW - timedelta(days=3, hours=1)))
    assert "ended 4 days ago" in southgate("opcua", "certificates").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trust"], "trust needs a thumbprint or a URL"),
        (["distrust"], "distrust needs a thumbprint"),
        (["trust", "xyz"], "40 hex digits"),
        (["trust", "AB" * 20], "no server has shown"),
        (["trust", "http://press"], "opc.tcp://HOST:PORT"),
        (["trust", URL, "--thumbprint", "xyz"], "40 hex digits"),
    ],
)
def test_wrong_use_is_said(place: Place, southgate: Run, arguments: list[str], words: str) -> None:
    ran = southgate("opcua", *arguments)
    assert (ran.code, words in ran.err) == (2, True), ran.err


def test_a_server_that_cannot_be_reached(place: Place, southgate: Run) -> None:
    ran = southgate("opcua", "trust", f"opc.tcp://127.0.0.1:{free_port()}", "--timeout", "1")
    assert ran.code == 3
    assert "127.0.0.1" in ran.err


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, shown: Papers) -> list[Shown | None]:
    """What is shown, the last of the list."""
    found: list[Shown | None] = [
        Shown(URL, shown, Offer("Basic256Sha256", "Sign", "urn:x", shown.der, ()), ("has a fault",), ("is odd",))
    ]

    async def look_at(url: str, timeout: float, now: Any) -> Shown | None:
        assert (url, timeout) == (URL, 5.0)
        return found[-1]

    monkeypatch.setattr(looking, "look_at", look_at)
    return found


def test_what_a_server_shows_is_looked_at_and_accepted(
    place: Place, shown: Papers, server: list[Shown | None], southgate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    ran = southgate("opcua", "trust", URL)
    assert ran.code == 1
    for words in (shown.thumbprint, "CN=Press 4", "urn:test:server", "127.0.0.1", "it is odd", "it has a fault"):
        assert words in ran.out
    assert TrustList(place).trusted() == []
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert southgate("opcua", "trust", URL).code == 0
    kept = TrustList(place).find(shown.der)
    assert kept is not None
    assert kept.endpoints == (URL,)
    assert "trusted already" in southgate("opcua", "trust", URL).out


def test_without_a_terminal_somebody_must_have_compared(
    place: Place, shown: Papers, server: list[Shown | None], southgate: Run
) -> None:
    ran = southgate("opcua", "trust", URL)
    assert (ran.code, "give --thumbprint" in ran.err) == (1, True)
    ran = southgate("opcua", "trust", URL, "--thumbprint", "AB" * 20)
    assert (ran.code, f"shows {shown.thumbprint}, not ABAB" in ran.err) == (1, True)
    assert TrustList(place).trusted() == []
    assert southgate("opcua", "trust", URL, "--thumbprint", shown.thumbprint.lower()).code == 0
    assert southgate("opcua", "distrust", shown.thumbprint).code == 0
    assert southgate("opcua", "trust", URL, "--yes", "--json").json["standing"] == "trusted"


def test_a_server_without_security_shows_nothing(place: Place, server: list[Shown | None], southgate: Run) -> None:
    server.append(None)
    ran = southgate("opcua", "trust", URL, "--yes")
    assert (ran.code, "no certificate" in ran.err) == (1, True)


def test_a_gateway_elsewhere_is_asked(gateway: Gateway, server: list[Shown | None], southgate: Run) -> None:
    thumbprint = "AB" * 20
    row = {
        "standing": "trusted",
        "thumbprint": thumbprint,
        "subject": "CN=x",
        "application_uri": "",
        "shown_by": URL,
        "days_left": 5,
        "file": "",
    }
    gateway.says("/gateway/api/v1/certificates", {"certificates": [row], "problems": []})
    gateway.says(f"/gateway/api/v1/certificates/{thumbprint}/trust", row)
    gateway.says(f"/gateway/api/v1/certificates/{thumbprint}", b"", 204)
    listed = southgate("opcua", "certificates", "--url", gateway.url).out
    assert thumbprint in listed
    assert "ends in 5 days" in listed
    assert southgate("opcua", "trust", thumbprint, "--url", gateway.url).code == 0
    assert southgate("opcua", "distrust", thumbprint, "--url", gateway.url).code == 0
    assert [asked.method for asked in gateway.asked] == ["GET", "POST", "DELETE"]
    ran = southgate("opcua", "trust", URL, "--yes", "--url", gateway.url)
    assert (ran.code, "give the thumbprint" in ran.err) == (2, True)
    gateway.says("/gateway/api/v1/certificates", {"certificates": [], "problems": ["our own is broken"]})
    assert "our own is broken" in southgate("opcua", "certificates", "--url", gateway.url).err


def test_the_endpoint_that_is_looked_at_is_what_a_device_would_have() -> None:
    asked = looking._asked("opc.tcp://Press", 2.0)
    assert isinstance(asked, Endpoint)
    assert (asked.url, asked.timeout, asked.policy) == ("opc.tcp://press:4840", 2.0, "auto")
