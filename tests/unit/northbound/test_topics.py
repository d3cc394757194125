"""No name can change a topic's levels or meet another's, in either direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.northbound.topics import Incoming, Topics, decode_key, encode_key, may_answer

TOPICS = Topics("southgate/v1", "plant/7")
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(str.strip)


@given(NAMES, NAMES)
def test_names_survive_the_way_through_a_topic(device: str, command: str) -> None:
    assert TOPICS.parse(TOPICS.device(device, "twin/desired")) == Incoming("desired", device)
    topic = TOPICS.result(device, command).removesuffix("/result")
    assert TOPICS.parse(topic) == Incoming("cmd", device, command)
    assert topic.count("/") == 6
    assert not set(topic) & set("+#$")


@given(NAMES)
def test_names_survive_as_keys(name: str) -> None:
    assert decode_key(encode_key(name)) == name


@pytest.mark.parametrize("key", ["a b", "a/b", "", "a%", "a%2", "%FF", "a%00b", "a\nb", "x" + "%0A"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_key(key)


@pytest.mark.parametrize(
    "topic",
    [
        "southgate/v1/other/d/m/read",
        "southgate/v1/plant%2F7/d/m",
        "southgate/v1/plant%2F7/d/m/cmd",
        "southgate/v1/plant%2F7/d/m/cmd/a/b",
        "southgate/v1/plant%2F7/d//read",
        "southgate/v1/plant%2F7/d/m/cmd/",
        "southgate/v1/plant%2F7/d/%GG/read",
        "southgate/v1/plant%2F7/d/%00/read",
        "southgate/v1/plant%2F7/d/%FF/read",
        "southgate/v1/plant%2F7/config/desired",
        "",
    ],
)
def test_other_topics_are_not_obeyed(topic: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        TOPICS.parse(topic)


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("replies/a", True),
        ("replies/", True),
        ("other/a", False),
        ("replies/+", False),
        ("replies/#", False),
        ("replies/\0", False),
        ("$SYS/x", False),
        ("", False),
        ("replies/" + "x" * 65536, False),
        ("southgate/v1/plant%2F7/state", False),
    ],
)
def test_answers_go_only_where_they_may(topic: str, allowed: bool) -> None:
    assert may_answer(topic, ["replies/"], TOPICS.prefix) is allowed


def test_our_own_topics_are_never_a_response_topic() -> None:
    assert not may_answer(f"{TOPICS.prefix}/d/m/cmd/Relay", ["south"], TOPICS.prefix)
