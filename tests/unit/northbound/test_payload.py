"""What a cloud sends is exact JSON of a known shape, or refused with a plain reason; nothing else happens."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import CommandRejected
from gateway.northbound.payload import (
    MAX_COMMAND,
    CommandBody,
    DesiredBody,
    exact,
    parse,
    salvage,
)

REFUSED: list[tuple[bytes, int, str]] = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"[]", 400, "Expected `object`"),
    (b'"text"', 400, "Expected `object`"),
    (b"{}", 400, "missing required field `id`"),
    (b'{"id":7,"args":{}}', 400, "Expected `str`, got `int` - at `$.id`"),
    (b'{"id":"","args":{}}', 400, "at `$.id`"),
    (b'{"id":"a","args":[1]}', 400, "at `$.args`"),
    (b'{"id":"a","expires_at":"soon"}', 400, "at `$.expires_at`"),
    (b'{"id":"a","expires_at":-1}', 400, "at `$.expires_at`"),
    (b'{"id":"a","expires_at":true}', 400, "at `$.expires_at`"),
    (b'{"id":"a","expires_at":9223372036854775808}', 400, "at `$.expires_at`"),
    (b'{"id":"a","if_version":1.5}', 400, "at `$.if_version`"),
    (b'{"id":"a","args":{"x":NaN}}', 400, "NaN is no JSON number"),
    (b'{"id":"a","args":{"x":-Infinity}}', 400, "-Infinity is no JSON number"),
    (b'{"id":"a","args":{"x":1e9999}}', 400, "too large"),
    (b'{"id":"a","args":{"x":1,"x":2}}', 400, "twice"),
    (b'{"id":"a","id":"b"}', 400, "twice"),
    (b'{"id":"a","args":{"x":"\\ud800"}}', 400, "surrogate"),
    (b'{"id":"a","args":{"x":["\\ud800"]}}', 400, "surrogate"),
    (b'{"id":"a","args":{"x":[{"y":[["\\udfff"]]}]}}', 400, "surrogate"),
    (b'{"id":"\xff"}', 400, "UTF-8"),
    (b'\xef\xbb\xbf{"id":"a"}', 400, "not JSON"),
    (b'{"id":"a","args":{"x":' + b"9" * 5000 + b"}}", 400, "not JSON"),
    (b'{"id":"a","args":{"x":' + b"[" * 10 + b"]" * 10 + b"}}", 413, "levels"),
    (b'{"id":"a","args":{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}}", 413, "levels"),
    (b'{"id":"a","args":{"x":"' + b"y" * MAX_COMMAND + b'"}}', 413, "bytes"),
]


@pytest.mark.parametrize(("payload", "code", "text"), REFUSED, ids=range(len(REFUSED)))
def test_refused_with_a_reason(payload: bytes, code: int, text: str) -> None:
    with pytest.raises(CommandRejected, match=text.replace("$", r"\$").replace(".", r"\.")) as caught:
        parse(payload, CommandBody, MAX_COMMAND)
    assert caught.value.code == code


def test_a_command_in_full() -> None:
    body = parse(
        b'{"id":"c1","args":{"Relay":true,"Limit":2.5},"expires_at":9223372036854775807,"if_version":3,"extra":1}',
        CommandBody,
        MAX_COMMAND,
    )
    assert (body.id, body.args, body.expires_at, body.if_version) == ("c1", {"Relay": True, "Limit": 2.5}, 2**63 - 1, 3)


def test_a_desired_document_needs_epoch_version_and_properties() -> None:
    body = parse(b'{"epoch":"e","version":4,"properties":{"a":1}}', DesiredBody, 1000)
    assert (body.epoch, body.version, body.properties, body.expires_at) == ("e", 4, {"a": 1}, None)
    for missing in ("epoch", "version", "properties"):
        given = {"epoch": "e", "version": 4, "properties": {}}
        del given[missing]
        with pytest.raises(CommandRejected, match=missing):
            parse(json.dumps(given).encode(), DesiredBody, 1000)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'{"id":"a","args":{"x":NaN}}', "a"),
        (b'{"id":"a","x":1,"x":2}', "a"),
        (b'{"id":"a","deep":' + b"[" * 100 + b"]" * 100 + b"}", "a"),
        (b'{"id":"a","pad":"' + b"y" * 100_000 + b'"}', "a"),
        (b'{"id":"\xff"}', "\ufffd"),
        (b'{"id":"' + b"y" * 2_000_000 + b'"}', None),
        (b'{"id":"' + b"y" * 200 + b'"}', None),
        (b'{"id":"\\ud800"}', None),
        (b'{"id":7}', None),
        (b"[" * 100_000, None),
        (b"not json", None),
    ],
)
def test_the_id_of_a_refused_message_is_found_where_there_is_one(payload: bytes, found: str | None) -> None:
    assert salvage(payload, "id", str) == found


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    code = 0
    try:
        parse(payload, CommandBody, MAX_COMMAND)
    except CommandRejected as error:
        code = error.code
    assert code in (0, 400, 413)
    salvage(payload, "id", str)


def test_booleans_are_no_wide_integers() -> None:
    assert exact(True) is True
    assert exact(2**53 + 1) == "9007199254740993"
    assert exact([1, 2]) == [1, 2]
