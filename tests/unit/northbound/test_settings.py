"""The mqtt part of gateway.yaml: what is right, and what is refused in plain words."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.northbound.settings import MqttSettings


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://127.0.0.1", "127.0.0.1", 1883, False),
        ("tcp://localhost:1884/", "localhost", 1884, False),
        ("mqtt://[::1]", "::1", 1883, False),
        ("mqtts://broker.example", "broker.example", 8883, True),
        ("ssl://broker.example:443", "broker.example", 443, True),
    ],
)
def test_urls(url: str, host: str, port: int, tls: bool) -> None:
    settings = MqttSettings(url=url)
    assert (settings.host, settings.port, settings.tls) == (host, port, tls)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"url": "mqtt://broker.example"}, "not encrypted"),
        ({"url": "mqtt://10.0.0.5:1883"}, "allow_plain"),
        ({"url": "http://127.0.0.1"}, "mqtts://"),
        ({"url": "127.0.0.1:1883"}, "mqtts://"),
        ({"url": "mqtt://me:secret@127.0.0.1"}, "password_file"),
        ({"url": "mqtt://"}, "HOST"),
        ({"url": "mqtt://127.0.0.1:99999"}, "port"),
        ({"url": "mqtt://127.0.0.1/topic"}, "HOST"),
        ({"url": "mqtt://127.0.0.1", "ca_file": "ca.pem"}, "mqtts://"),
        ({"url": "mqtts://b.example", "cert_file": "c.pem"}, "go together"),
        ({"url": "mqtts://b.example", "password_file": "p"}, "needs `user`"),
        ({"root": "a/#"}, "topic levels"),
        ({"root": "/a"}, "topic levels"),
        ({"root": "$a"}, "topic levels"),
        ({"response_prefixes": ["a+"]}, "beginning of a topic"),
        ({"response_prefixes": [""]}, "beginning of a topic"),
        ({"response_prefixes": ["southgate/"]}, "outside our own root"),
        ({"response_prefixes": ["southgate/v1/gw/"]}, "outside our own root"),
        ({"keepalive": "1s"}, "between 5s and 18h"),
        ({"document_interval": "1s"}, "10s or longer"),
        ({"document_interval": "often"}, "not a duration"),
        ({"version": "4"}, "'auto', '5' or '3.1.1'"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_refused(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MqttSettings.model_validate({"url": "mqtt://127.0.0.1", **keys})
    assert text in str(caught.value)


def test_plain_to_another_machine_needs_a_word() -> None:
    assert not MqttSettings(url="mqtt://10.0.0.5", allow_plain=True).tls


@pytest.mark.parametrize(("given", "found"), [(5, "5"), ("5", "5"), ("3.1.1", "3.1.1"), ("auto", "auto")])
def test_version_as_yaml_may_give_it(given: Any, found: str) -> None:
    assert MqttSettings(url="mqtt://127.0.0.1", version=given).version == found
