"""Certificates are read as strangers send them."""

import contextlib
import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from mappers.opcua.security import papers
from tests.support.certificates import Recipe, key

DER = Recipe(key=key("weak", 1024)).der()


def test_what_it_says_is_read() -> None:
    found = papers.of(Recipe(uri="urn:a:b", hosts=["plc", "10.0.0.4"], subject="Press, 4").made())
    assert (found.application_uri, found.hosts) == ("urn:a:b", ("plc", "10.0.0.4"))
    assert found.subject == "CN=Press\\, 4"
    assert (found.key_bits, found.hash, found.for_server) == (2048, "sha256", True)
    assert found.thumbprint == hashlib.sha1(found.der).hexdigest().upper()


def test_the_first_of_a_chain_counts_in_der_and_in_pem() -> None:
    first, second = Recipe(subject="first").made(), Recipe(subject="second").made()
    for how in (Encoding.DER, Encoding.PEM):
        both = first.public_bytes(how) + second.public_bytes(how)
        assert papers.read(both).subject == "CN=first"
        assert len(papers.certificates(both)) == 2


def test_control_characters_and_endless_names_do_not_reach_a_terminal() -> None:
    found = papers.of(Recipe(subject="a\x1b[31m\nb", uri="urn:x" + "y" * 5000).made())
    assert "\x1b" not in found.subject
    assert "\n" not in found.subject
    assert len(found.application_uri) == 200


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"hello", b"\x30\x82\xff\xff" + b"\x00" * 20, b"x" * 100_000, b"\x30\x00" * 30_000]
)
def test_what_is_no_certificate_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"certificate|DER|empty"):
        papers.read(data)


def test_a_certificate_cut_short_or_followed_by_garbage_is_refused() -> None:
    der = Recipe().der()
    for data in (der[:-1], der + b"\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(ValueError, match=r"certificate|DER"):
            papers.read(data)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # devices have such ones, too
@given(st.integers(0, 700), st.integers(0, 255))
def test_a_damaged_certificate_is_read_or_refused(at: int, byte: int) -> None:
    data = bytearray(DER)
    data[at % len(data)] = byte
    with contextlib.suppress(ValueError):
        papers.read(bytes(data))
