"""Names: what is refused, and how they travel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.names import check_name, decode_name, encode_name


@pytest.mark.parametrize("name", ["meter-1", "Halle 2/Süd+#$%", "温度计", "датчик", "مقياس", "a b", "Ω μ", "🌡 1"])
def test_names_of_any_script_and_with_topic_characters_are_fine(name: str) -> None:
    assert check_name(name) == name
    assert decode_name(encode_name(name)) == name


@pytest.mark.parametrize("name", ["", "  ", "\u3000"])
def test_blank_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="blank"):
        check_name(name)


@pytest.mark.parametrize("character", ["\0", "\x07", "\n", "\t", "\x7f", "\x85", "\u2028", "\ud800"])
def test_control_characters_are_refused_and_named(character: str) -> None:
    with pytest.raises(ValueError, match=f"U\\+{ord(character):04X}"):
        check_name(f"a{character}b")


def test_only_the_five_characters_of_the_cloud_contract_are_encoded() -> None:
    assert encode_name("a/b+c#d$e%f -_.é") == "a%2Fb%2Bc%23d%24e%25f -_.é"


@pytest.mark.parametrize("text", ["50%", "%zz", "a%2", "%ff"])
def test_what_is_no_encoded_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="%"):
        decode_name(text)


@given(st.text(), st.text())
def test_encoding_keeps_names_apart_and_on_one_level(one: str, other: str) -> None:
    encoded = encode_name(one)
    assert decode_name(encoded) == one
    assert not set(encoded) & set("/+#$")
    assert (encoded == encode_name(other)) == (one == other)
