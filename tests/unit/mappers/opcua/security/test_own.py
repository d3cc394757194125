"""Our own certificate: as servers want it, made once, kept."""

import socket
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.model.errors import NotConnected
from gateway.model.place import Place
from mappers.opcua.security import own as module
from mappers.opcua.security.own import own
from tests.support.certificates import NOW, Recipe, key, pem, put


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("line 4/ä", tmp_path / "data", tmp_path)


def test_it_is_what_part_6_asks_of_an_application(place: Place) -> None:
    """OPC UA Part 6, 6.2.2."""
    found = own(place, NOW)
    certificate = found.certificate
    uri = f"urn:southgate:{socket.gethostname()}:line%204/%C3%A4"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [uri] == [found.papers.application_uri]
    assert socket.gethostname() in names.get_values_for_type(x509.DNSName)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in purposes
    assert found.papers.hash == "sha256"
    assert found.papers.key_bits == 2048
    assert certificate.version is x509.Version.v3
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=3650)
    certificate.verify_directly_issued_by(certificate)


def test_its_key_is_for_nobody_else_and_nothing_is_left_beside(place: Place) -> None:
    own(place, NOW)
    folder = place.data / "pki" / "own"
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "certificate.der").stat().st_mode) == 0o644
    assert [one.name for one in folder.parent.iterdir()] == ["own"]


def test_it_is_kept_until_somebody_deletes_it(place: Place) -> None:
    first = own(place, NOW)
    assert own(place, NOW + timedelta(days=9000)).papers == first.papers, "also when it has ended"
    for file in (place.data / "pki" / "own").iterdir():
        file.unlink()
    assert own(place, NOW).papers != first.papers


def test_two_who_need_it_first_get_the_same(place: Place) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(own(place, NOW).papers.thumbprint)) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 1
    assert len(found) == 4


def test_another_process_that_was_first_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_signed", lambda key, _place, _now: _theirs(place) or Recipe(key=key).made())
    assert own(place, NOW).papers.subject == "CN=theirs"


def _theirs(place: Place) -> None:
    put(place.data / "pki" / "own", Recipe(subject="theirs"))


def test_a_clock_that_was_never_set_makes_none(place: Place) -> None:
    with pytest.raises(NotConnected, match="set the clock first"):
        own(place, datetime(1970, 1, 2, tzinfo=UTC))
    assert not place.data.exists()


def test_people_may_put_their_own_there_with_the_chain(place: Place) -> None:
    folder = place.data / "pki" / "own"
    folder.mkdir(parents=True)
    leaf, issuer = Recipe(subject="leaf", key=key("theirs")), Recipe(subject="issuer")
    (folder / "certificate.pem").write_bytes(
        leaf.made().public_bytes(Encoding.PEM) + issuer.made().public_bytes(Encoding.PEM)
    )
    (folder / "key.pem").write_bytes(pem(key("theirs")))
    found = own(place, NOW)
    assert found.papers.subject == "CN=leaf"
    assert [one.subject.rfc4514_string() for one in found.chain] == ["CN=issuer"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("certificate.der", b"hello", "certificate.der: .*DER.*delete"),
        ("key.pem", b"hello", "no private key.*delete"),
        ("key.pem", b"-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n", "no private key.*delete"),
        ("key.pem", pem(key("theirs")), "not the key of the certificate.*delete"),
        ("key.pem", pem(key("theirs"), b"secret"), "passphrase"),
        ("certificate.der", Recipe(uri=None).der(), "names no application URI.*delete"),
        ("certificate.der", None, "certificate.der is missing.*delete"),
        ("key.pem", None, "key.pem is missing.*delete"),
    ],
    ids=["certificate", "key", "pem", "mismatch", "passphrase", "uri", "no-certificate", "no-key"],
)
def test_what_is_broken_is_said_and_never_replaced(place: Place, name: str, content: bytes | None, words: str) -> None:
    """T35, T37: a key's content stands in no message."""
    put(place.data / "pki" / "own", Recipe())
    file = place.data / "pki" / "own" / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    before = {one.name: one.read_bytes() for one in file.parent.iterdir()}
    with pytest.raises(NotConnected, match=words) as caught:
        own(place, NOW)
    assert "canary" not in str(caught.value)
    assert {one.name: one.read_bytes() for one in file.parent.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_named(place: Place) -> None:
    place.data.mkdir()
    (place.data / "pki").write_text("a file in the way")
    with pytest.raises(NotConnected, match=r"pki.own cannot be read or written"):
        own(place, NOW)
