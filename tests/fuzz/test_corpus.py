"""T21: bytes of a hostile or broken world never crash, hang or become a value: the corpus that coverage-guided fuzzing
left (see CONTRIBUTING), and as much again at random."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus(target: str) -> None:
    inputs = corpus.load(target)
    assert len(inputs) >= 10, "a target without a corpus tests nothing"
    for data in inputs:
        try:
            TARGETS[target](data)
        except BaseException as error:
            error.add_note(f"{target} breaks: {data.hex()}")
            raise


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300))
def test_any_bytes(target: str, data: bytes) -> None:
    TARGETS[target](data)
