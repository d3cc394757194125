"""Names of asyncua's that it keeps for itself and that we lean on, since it has no public way: a new version that lacks
one fails here, and says which."""

import ast
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from asyncua import Server
from asyncua.client.ua_client import UaClient
from asyncua.common.connection import SecureConnection
from asyncua.common.utils import Buffer
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua import ua_binary

ROOT = Path(__file__).parents[2]
DECODERS = (
    "_create_uatype_array_deserializer",
    "_create_list_deserializer",
    "_create_uatype_deserializer",
    "_create_type_deserializer",
    "_create_dataclass_deserializer",
)
"""Made once for each type and kept; `codec.limits` puts bounds round the first two and has all of them made
anew."""


def leaned_on() -> Iterator[tuple[object, tuple[str, ...]]]:
    """What has them, and their names."""
    yield ua_binary, ("_Bytes", *DECODERS)  # codec.limits: what a hostile server may make us hold
    yield Buffer(b""), ("_data",)
    yield (
        UaClient(1.0),
        (  # session.wire: a socket that counts
            "_make_protocol",
            "_timeout",
            "_pre_request_hook",
            "_on_transport_lost",
            "_is_session_closing",
        ),
    )
    server = Server()
    yield server, ("_setup_server_nodes", "_policies")  # simulators.opcua.door: a port that may be slow, silent, deaf
    yield BinaryServer(server.iserver, "127.0.0.1", 0, server.limits), ("_make_protocol", "_policies")
    yield OPCUAProtocol, ("_process_one_msg",)
    yield UaProcessor(server.iserver, Mock(), server.limits), ("_connection",)


def test_asyncua_still_has_the_private_names_that_we_lean_on() -> None:
    for owner, names in leaned_on():
        for name in names:
            assert hasattr(owner, name), f"asyncua has no {name} of {owner} any more: see who uses it in {__file__}"
    for name in DECODERS:
        assert hasattr(getattr(ua_binary, name), "cache_clear"), f"asyncua does not keep what {name} has made any more"
    assert hasattr(SecureConnection, "receive_from_header_and_body")


@pytest.mark.parametrize("folder", ["mappers/opcua", "simulators/opcua"])
def test_we_lean_on_no_other_private_name(folder: str) -> None:
    known = {name for _, names in leaned_on() for name in names}
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    ours = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    ours |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    ours |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    private = {name for name in used if name.startswith("_") and not name.startswith("__")}
    assert private - ours <= known, "asyncua's? Then look for a public way, else add it above"
