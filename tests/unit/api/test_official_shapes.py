"""Answers against EdgeX's own OpenAPI files, where they lie beside the repository."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.unit.api.conftest import PROFILE, device_body, request
from tests.unit.api.fakes import House

FILES = Path(__file__).parents[4] / "shared" / "data" / "edgex"
DOCUMENTS = {
    "core-metadata": "edgex-go@v4.0.2/openapi/core-metadata.yaml",
    "core-command": "edgex-go@v4.0.2/openapi/core-command.yaml",
    "core-data": "edgex-go@v4.0.2/openapi/core-data.yaml",
    "device-modbus": "device-sdk-go@v4.0.1/openapi/device-sdk.yaml",
}
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="EdgeX's OpenAPI files are not here")
NOW = 1_763_635_200_000_000_000
ASKED: list[tuple[str, str, str, str, Any, int]] = [
    ("core-metadata", "get", "/device/all", "/device/all", None, 200),
    ("core-metadata", "get", "/device/name/{name}", "/device/name/boiler", None, 200),
    ("core-metadata", "get", "/device/name/{name}", "/device/name/ghost", None, 404),
    ("core-metadata", "get", "/device/check/name/{name}", "/device/check/name/boiler", None, 200),
    ("core-metadata", "get", "/device/profile/name/{name}", "/device/profile/name/Boiler", None, 200),
    ("core-metadata", "get", "/device/service/name/{name}", "/device/service/name/device-modbus", None, 200),
    ("core-metadata", "get", "/device/all", "/device/all?offset=9", None, 416),
    ("core-metadata", "post", "/device", "/device", [request("device", device_body("n"))], 207),
    ("core-metadata", "patch", "/device", "/device", [request("device", {"name": "boiler"})], 207),
    ("core-metadata", "post", "/deviceprofile", "/deviceprofile", [request("profile", {**PROFILE, "name": "N"})], 207),
    ("core-metadata", "put", "/deviceprofile", "/deviceprofile", [request("profile", PROFILE)], 207),
    ("core-metadata", "get", "/deviceprofile/all", "/deviceprofile/all", None, 200),
    ("core-metadata", "get", "/deviceprofile/name/{name}", "/deviceprofile/name/Boiler", None, 200),
    ("core-metadata", "delete", "/deviceprofile/name/{name}", "/deviceprofile/name/Boiler", None, 409),
    ("core-metadata", "get", "/deviceservice/all", "/deviceservice/all", None, 200),
    ("core-metadata", "get", "/deviceservice/name/{name}", "/deviceservice/name/device-modbus", None, 200),
    ("core-metadata", "get", "/ping", "/ping", None, 200),
    ("core-metadata", "get", "/version", "/version", None, 200),
    ("core-metadata", "get", "/config", "/config", None, 200),
    ("core-command", "get", "/device/all", "/device/all", None, 200),
    ("core-command", "get", "/device/name/{name}", "/device/name/boiler", None, 200),
    ("core-command", "get", "/device/name/{name}/{command}", "/device/name/boiler/Both", None, 200),
    ("core-command", "get", "/device/name/{name}/{command}", "/device/name/boiler/Nope", None, 404),
    ("core-command", "put", "/device/name/{name}/{command}", "/device/name/boiler/Setpoint", {"Setpoint": "7"}, 200),
    ("device-modbus", "get", "/device/name/{name}/{command}", "/device/name/boiler/Both", None, 200),
    ("device-modbus", "put", "/device/name/{name}/{command}", "/device/name/boiler/Setpoint", {"Setpoint": "7"}, 200),
    ("core-data", "get", "/event/all", "/event/all", None, 200),
    ("core-data", "get", "/event/count", "/event/count", None, 200),
    ("core-data", "get", "/event/device/name/{name}", "/event/device/name/boiler", None, 200),
    ("core-data", "delete", "/event/device/name/{name}", "/event/device/name/boiler", None, 202),
    ("core-data", "get", "/reading/all", "/reading/all", None, 200),
    ("core-data", "get", "/reading/resourceName/{resourceName}", "/reading/resourceName/Setpoint", None, 200),
    ("core-data", "get", "/event/start/{start}/end/{end}", f"/event/start/0/end/{NOW}", None, 200),
]


@pytest.fixture
def house(journaled: House) -> House:
    return journaled


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {
        name: _as_edgex_answers(yaml.load((FILES / path).read_text("utf-8"), Loader=loader))
        for name, path in DOCUMENTS.items()
    }


def _as_edgex_answers(document: dict[str, Any]) -> dict[str, Any]:
    """Where the files contradict EdgeX's own answers: its readings have no apiVersion, an autoEvent has no resource but
    a sourceName, and attributes and protocol properties may be of any type (its own samples have numbers)."""
    schemas = document["components"]["schemas"]
    for name, wrong in (("BaseReading", "apiVersion"), ("AutoEvent", "resource")):
        required = schemas.get(name, {}).get("required", [])
        required[:] = [key for key in required if key != wrong]
    schemas.get("ProtocolProperties", {}).pop("additionalProperties", None)
    for name in ("DeviceResource", "DeviceResource_UpdateRequest"):
        schemas.get(name, {}).get("properties", {}).get("attributes", {}).pop("additionalProperties", None)
    return document


def _schema(document: dict[str, Any], verb: str, template: str, status: int) -> dict[str, Any]:
    answer = document["paths"][template][verb]["responses"][str(status)]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return {**schema, "components": document["components"]}


@pytest.mark.parametrize(("service", "verb", "template", "path", "body", "status"), ASKED)
async def test_the_answer_has_the_official_shape(
    service: str, verb: str, template: str, path: str, body: Any, status: int,
    documents: dict[str, Any], house: House, api: httpx.AsyncClient,
) -> None:  # fmt: skip
    house.event("boiler", "Both", [1, 2], NOW - 5)
    answer = await api.request(verb, f"/{service}/api/v3{path}", json=body)
    assert answer.status_code == status, answer.text
    Draft202012Validator(_schema(documents[service], verb, template, status)).validate(answer.json())


def test_every_path_of_ours_is_one_of_theirs(documents: dict[str, Any], house: House) -> None:
    from gateway.api.app import create_app

    ours = create_app(house.parts).openapi()["paths"]
    for path, verbs in ours.items():
        service, _, rest = path.removeprefix("/").partition("/api/v3")
        if not rest or service == "gateway":
            continue
        theirs = {
            _blank(p): set(v) for p, v in documents[service.replace("{service}", "device-modbus")]["paths"].items()
        }
        assert set(verbs) <= theirs.get(_blank(rest), set()), path


def _blank(template: str) -> str:
    return "/".join("*" if part.startswith("{") else part for part in template.split("/"))
