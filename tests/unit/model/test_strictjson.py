"""Exact JSON reads as everybody reads it; whatever could be read in two ways, or not be said again, is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.strictjson import NotJson, TooDeep, deeper_than, read

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"{} {}", "Extra data"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
        (b'{"a": 1e9999}', "the number 1e9999 is too large"),
        (b"9" * 5000, "digits"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "the key 'b' stands twice"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b'{"a": ["x", ["\\udfff"]]}', "surrogate"),
        (b'{"a": "\\udc00\\ud800"}', "surrogate"),
    ],
)
def test_refused(text: bytes, reason: str) -> None:
    with pytest.raises(NotJson, match=reason):
        read(text, 10)


def test_the_line_and_the_key_are_told() -> None:
    with pytest.raises(NotJson) as caught:
        read(b'{"a": 1,\n"b" 2}', 10)
    assert (caught.value.line, caught.value.key) == (2, "")
    with pytest.raises(NotJson) as caught:
        read(b'{"a": 1, "a": 2}', 10)
    assert (caught.value.line, caught.value.key) == (0, "a")


def test_a_whole_pair_and_an_escaped_backslash_are_text() -> None:
    assert read(b'["\\ud83d\\ude00", "\\\\ud800"]', 10) == ["😀", "\\ud800"]


@pytest.mark.parametrize("brackets", [11, 100_000])
def test_too_deep(brackets: int) -> None:
    with pytest.raises(TooDeep, match="more than 10 levels"):
        read(b"[" * brackets + b"]" * brackets, 10)
    assert read(b"[" * 10 + b"]" * 10, 10)


def test_numbers_are_read_by_whoever_wants_them_otherwise() -> None:
    assert read(b"[1, 2.50]", 10, len) == [1, 4]


@given(JSONS)
def test_exact_json_reads_as_the_reference_does(value: Any) -> None:
    assert read(json.dumps(value).encode(), 10**6) == value


@given(JSONS, st.integers(0, 6))
def test_depth_is_what_recursion_would_say(value: Any, levels: int) -> None:
    def slow(v: Any) -> int:
        inner = list(v.values()) if isinstance(v, dict) else v if isinstance(v, list) else None
        return 0 if inner is None else 1 + max(map(slow, inner), default=0)

    assert deeper_than(value, levels) == (slow(value) > levels)
