"""Ids look like random uuids and say where to look."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.ids import event_id, mark, object_id, parse_event_id

NAMES = st.text(max_size=30)


@given(NAMES, NAMES, st.integers(0, 2**63 - 1), st.integers(0, 2**20 - 1))
def test_an_event_id_reads_back(device: str, source: str, origin: int, position: int) -> None:
    text = event_id(device, source, origin, position)
    given_id = uuid.UUID(text)
    assert (given_id.version, given_id.variant, text) == (4, uuid.RFC_4122, str(given_id))
    found = parse_event_id(text)
    assert found is not None
    assert (found.origin, found.position, found.mark) == (origin, position, mark(device, source))


def test_neighbouring_names_do_not_meet() -> None:
    assert len({mark("a", "bc"), mark("ab", "c"), mark("", "abc")}) == 3
    assert object_id("device", "x") != object_id("profile", "x")
    assert object_id("device", "x") == object_id("device", "x")


def test_other_uuids_are_nobody_s_and_no_uuid_is_an_error() -> None:
    assert parse_event_id(str(uuid.uuid1())) is None
    with pytest.raises(ValueError, match="badly formed"):
        parse_event_id("41877")
