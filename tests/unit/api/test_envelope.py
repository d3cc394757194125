"""JSON as Go writes it."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.paging import page_of
from gateway.model.gojson import go_float, go_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5.0, "5"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e22, "1.5e+22"),
        (-0.0, "-0"),
        (123456.75, "123456.75"),
    ],
)
def test_floats(value: float, text: str) -> None:
    assert go_float(value) == text


def test_text_is_escaped_as_go_does() -> None:
    assert (
        go_json({"b": "<a>&\u2028é", "a": 2**70})
        == '{"b":"\\u003ca\\u003e\\u0026\\u2028é","a":1180591620717411303424}'.encode()
    )


@given(JSON)
def test_every_json_value_reads_back(value: Any) -> None:
    # a whole float has no point in Go's JSON: compare all numbers as floats
    assert json.loads(go_json(value), parse_int=float) == json.loads(json.dumps(value), parse_int=float)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        go_json([value])


def test_minus_one_is_as_many_as_allowed() -> None:
    assert page_of("3", "-1").limit == 1024
