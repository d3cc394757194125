"""The `api` part of gateway.yaml."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.model.network import is_loopback


class ApiSettings(BaseModel):
    """Where the REST API listens and who may ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str = Field(
        default="127.0.0.1:8080",
        description="Address and port, `127.0.0.1:8080` or `[::]:8080`; another address than this machine's own "
        "needs token_file",
    )
    token_file: Path | None = Field(
        default=None,
        description="File with the bearer token (at least 16 characters) that every request but ping must carry; "
        "read again when it changes",
    )
    edgex_ports: bool = Field(
        default=False,
        description="Also listen where EdgeX's services do: core-data 59880, core-metadata 59881, core-command 59882 "
        "and the port of each device service",
    )

    @property
    def host(self) -> str:
        return split_address(self.listen)[0]

    @property
    def port(self) -> int:
        """0: any free port."""
        return split_address(self.listen)[1]

    @field_validator("listen")
    @classmethod
    def _listen(cls, listen: str) -> str:
        split_address(listen)
        return listen

    @model_validator(mode="after")
    def _token_unless_loopback(self) -> "ApiSettings":
        host, _ = split_address(self.listen)
        if self.token_file is None and not is_loopback(host):
            raise ValueError(
                f"listen: {self.listen} can be reached from other machines; give token_file: a file with a token of at "
                "least 16 characters, or listen on 127.0.0.1"
            )
        return self


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8080` or `[::1]:8080`. Raises ValueError."""
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{listen!r} is not an address and a port, such as 127.0.0.1:8080")
    if ":" in host and not bracketed:
        raise ValueError(f"{listen!r}: write an IPv6 address in brackets, such as [::1]:8080")
    return (host[1:-1] if bracketed else host), int(port)
