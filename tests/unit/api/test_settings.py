"""Where the API may listen."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.api.settings import ApiSettings


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "127.9.9.9:1", "[::1]:8080", "localhost:0"])
def test_this_machine_alone_needs_no_token(listen: str) -> None:
    assert ApiSettings(listen=listen).token_file is None


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:80", "plant.example:80"])
def test_another_address_needs_a_token(listen: str) -> None:
    with pytest.raises(ValidationError, match="token_file"):
        ApiSettings(listen=listen)
    assert ApiSettings(listen=listen, token_file=Path("t")).listen == listen


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1", ":80", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "h:٣"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValidationError, match=r"127\.0\.0\.1:8080|in brackets"):
        ApiSettings(listen=listen)


def test_host_and_port() -> None:
    assert (ApiSettings(listen="[::1]:8081").host, ApiSettings(listen="[::1]:8081").port) == ("::1", 8081)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="lisen"):
        ApiSettings.model_validate({"lisen": "127.0.0.1:80"})
