"""What was learned about a device, in words."""

from gateway.model.facts import in_words


def test_every_fact_has_words() -> None:
    facts = {"answer_ms": 8.25, "apart": {"COILS": [3, 9], "INPUT_REGISTERS": [7]}, "max_registers": 60, "max_bits": 16}
    assert in_words(facts) == (
        "answers after 8.25 ms; no request reaches across COILS 3, 9; INPUT_REGISTERS 7; "
        "at most 60 registers a request; at most 16 bits a request"
    )
    assert in_words({}) == ""
    assert in_words({"later": 1}) == "later 1", "one that a newer version wrote"
