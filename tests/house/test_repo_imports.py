"""What is not in use is not loaded: a gateway without devices holds no protocol library, no terminal, no test tool."""

import json
import subprocess
import sys

import pytest

PROTOCOLS = {"pymodbus", "serial", "asyncua"}
TERMINAL = {"rich", "pygments", "markdown_it", "mdurl", "typer", "click"}
OPTIONAL = {"httptools", "websockets", "watchfiles", "dotenv", "wsproto", "jinja2", "orjson", "ujson", "httpx"}
TOOLS = {"hypothesis", "pytest", "_pytest", "mypy", "amqtt", "passlib", "jsonschema", "simulators", "tests"}
LATE = {"uvicorn", "uvloop", "duckdb", "numpy"}
"""Loaded when the gateway serves or runs, not when its parts are named."""


def loaded_by(statement: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter holds after a statement."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import gateway.app", PROTOCOLS | TERMINAL - {"click"} | OPTIONAL | TOOLS | {"duckdb", "numpy"}),
        ("import gateway.config", PROTOCOLS | TERMINAL | OPTIONAL | TOOLS | LATE | {"fastapi", "starlette"}),
        ("import gateway.__main__", PROTOCOLS | TERMINAL | OPTIONAL | TOOLS | LATE | {"fastapi", "pydantic", "paho"}),
        ("import mappers; mappers.Switchboard().services()", PROTOCOLS | {"mappers.modbus", "mappers.opcua"} | TOOLS),
    ],
    ids=["gateway", "settings", "command line", "switchboard"],
)
def test_only_what_is_in_use_is_loaded(statement: str, absent: set[str]) -> None:
    assert loaded_by(statement) & absent == set()


def test_a_protocol_is_loaded_when_a_device_speaks_it() -> None:
    for service, needs in (
        ("modbus", ("mappers.modbus.line.wire", "pymodbus")),
        ("opcua", ("mappers.opcua.mapper", "asyncua")),
    ):
        asked = f"import mappers; mappers.Switchboard().by_service('device-{service}')"
        assert not loaded_by(asked) & PROTOCOLS, "planning needs no protocol library"
        assert loaded_by(f"{asked}; import {needs[0]}") & PROTOCOLS >= {needs[1]}
