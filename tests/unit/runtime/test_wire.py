"""The state of one connection, and its words."""

import logging

import pytest

from gateway.runtime.lanes.wire import Wire
from tests.support.clock import MovingClock

URL = "opc.tcp://press:4840"


@pytest.mark.parametrize("name", [URL, f"otto@{URL}"])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (f"{URL}: Connection refused", "Connection refused"),
        ("Connection refused", "Connection refused"),
        (f"{URL} offers no security", "it offers no security"),
        (f"no device on it answers: {URL} did not answer", "no device on it answers: it did not answer"),
        (f"{URL}1 offers no security", f"{URL}1 offers no security"),
    ],
)
def test_why_it_is_lost_is_said_without_its_name(
    name: str, said: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire(name, MovingClock())
    with caplog.at_level(logging.WARNING):
        wire.lost("not_connected", said)
    assert wire.reason == reason
    assert caplog.messages == [f"{name} is lost: {reason}. It is tried again at least every 30 s"]
