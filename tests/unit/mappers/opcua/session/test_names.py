"""Namespaces: by URI, and by indexes that follow the URI they stood for."""

import uuid

import pytest
from asyncua import ua

from gateway.model.reading import Quality
from mappers.opcua.address import Step, node_ref
from mappers.opcua.session.names import Namespaces

UA = "http://opcfoundation.org/UA/"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i=2258", ua.NodeId(2258, 0)),
        ("ns=2;s=a;b=c", ua.NodeId("a;b=c", 2)),
        ("nsu=urn:b;i=5", ua.NodeId(5, 3)),
        (
            "ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            ua.NodeId(uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a"), 3),
        ),
        ("ns=2;b=AQID", ua.NodeId(b"\x01\x02\x03", 2)),
        ("ns=77;i=1", ua.NodeId(1, 77)),
    ],
)
def test_node_ids(text: str, expected: ua.NodeId) -> None:
    assert Namespaces([UA, "urn:me", "urn:a", "urn:b"], {}).node_id(node_ref(text)) == expected


def test_an_index_means_what_it_meant_when_it_was_first_seen() -> None:
    """T14: namespace indexes move across restarts."""
    meant: dict[int, str] = {}
    first = Namespaces([UA, "urn:me", "urn:a", "urn:b"], meant)
    assert first.moved == {}
    shuffled = Namespaces([UA, "urn:me", "urn:new", "urn:b", "urn:a"], meant)
    assert shuffled.moved == {2: 4}
    assert shuffled.node_id(node_ref("ns=2;i=1")) == ua.NodeId(1, 4)
    assert shuffled.node_id(node_ref("ns=3;i=1")) == ua.NodeId(1, 3)
    assert shuffled.node_id(node_ref("nsu=urn:a;i=1")) == ua.NodeId(1, 4)
    assert shuffled.name(Step(2, "Speed")) == ua.QualifiedName("Speed", 4)
    back = Namespaces([UA, "urn:me", "urn:a", "urn:b", "urn:c"], meant)
    assert back.moved == {}
    assert meant == {0: UA, 1: "urn:me", 2: "urn:a", 3: "urn:b", 4: "urn:c"}


def test_a_namespace_that_is_gone_is_said() -> None:
    meant: dict[int, str] = {}
    Namespaces([UA, "urn:me", "urn:a"], meant)
    gone = Namespaces([UA, "urn:me", "urn:z"], meant)
    expected = Quality("bad", "config", "the server has no namespace urn:a, but urn:z")
    assert gone.node_id(node_ref("ns=2;i=1")) == expected
    assert gone.node_id(node_ref("nsu=urn:a;i=1")) == expected
    assert gone.name(Step("urn:a", "x")) == expected


def test_the_servers_own_namespace_keeps_its_place_whatever_it_is_called() -> None:
    meant: dict[int, str] = {}
    Namespaces([UA, "urn:before"], meant)
    assert Namespaces([UA, "urn:after"], meant).node_id(node_ref("ns=1;i=1")) == ua.NodeId(1, 1)


def test_a_name_that_two_indexes_have_is_the_first() -> None:
    assert Namespaces([UA, "urn:me", "urn:a", "urn:a"], {}).index("urn:a") == 2


def test_a_long_list_is_not_shown_whole() -> None:
    many = Namespaces([UA, "urn:me", *(f"urn:{i}" for i in range(10_000))], {})
    found = many.node_id(node_ref("nsu=urn:none;i=1"))
    assert isinstance(found, Quality)
    assert len(found.code) < 300
