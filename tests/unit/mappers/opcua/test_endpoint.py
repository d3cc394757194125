"""How a server is reached, as people write it."""

import pytest

from gateway.model.device import Device
from gateway.model.errors import ConfigError
from mappers.opcua.endpoint import KEY, reach


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://otto:secret@press:4840", "got 'http://...@press:4840'"),
        ("opc.tcp://otto:secret@:4840", "got 'opc.tcp://...@:4840'"),
        ("opc.tcp://otto:sec/ret@press", "got 'opc.tcp://...@press'"),
        ("opc.tcp://otto:secret@press:99999", "got 'opc.tcp://...@press:99999'"),
        ("opc.tcp://otto:secret@press", "use UserName and PasswordFile"),
    ],
)
def test_a_password_in_a_url_stands_in_no_message(url: str, shown: str) -> None:
    with pytest.raises(ConfigError) as error:
        reach(Device(name="press", profile_name="press", protocols={KEY: {"Endpoint": url}}))
    assert shown in str(error.value)
    assert "secret" not in str(error.value)
    assert "ret@" not in str(error.value)
