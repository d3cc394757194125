"""A recording over REST: who may not, and that lines come as they happen."""

import httpx
import pytest

from gateway.model.recording import load_recording
from tests.unit.api.fakes import FakeProtocol, House

ROUTE = "/gateway/api/v1/recording"


@pytest.fixture
def house(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """On which a request goes out as soon as somebody listens, and which then changes its devices."""

    def tap(self: FakeProtocol, connection: object, told: object) -> None:
        if callable(told):
            told("framing", "tcp")
            told("heard", b"\1\2")
            house.parts.recordings.end("the gateway stops")

    monkeypatch.setattr(FakeProtocol, "tap", tap, raising=False)
    return house


@pytest.mark.parametrize("name", ["boiler", "127.0.0.1%3A502"])
async def test_lines_as_the_command_line_keeps_them(name: str, api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{ROUTE}/{name}?seconds=5")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    recording = load_recording(answer.content, "answer")
    assert [device.name for device in recording.devices] == ["boiler"]
    assert [frame.kind for frame in recording.frames] == ["framing", "heard", "end"]
    assert recording.version == "0.1.0"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("ghost", 404, "there is no device and no connection ghost; connections are 127.0.0.1:502"),
        ("boiler?seconds=0", 400, "greater than 0"),
        ("boiler?seconds=-1", 400, "greater than 0"),
        ("boiler?seconds=86401", 400, "less than or equal to 86400"),
        ("boiler?seconds=nan", 400, "seconds"),
        ("boiler?seconds=soon", 400, "valid number"),
    ],
)
async def test_what_cannot_be_recorded(path: str, status: int, said: str, api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{ROUTE}/{path}")
    assert answer.status_code == status
    assert said in answer.text


async def test_while_it_is_being_recorded_it_is_409(house: House, api: httpx.AsyncClient) -> None:
    recorder = house.parts.recordings.of("boiler", 5.0)
    house.parts.recordings.running[("device-modbus", recorder.connection.key)] = recorder
    answer = await api.get(f"{ROUTE}/boiler")
    assert (answer.status_code, "being recorded already" in answer.text) == (409, True)
