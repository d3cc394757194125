"""TLS, passwords and client certificates; and what people read when one of them is wrong."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import NotConnected
from tests.support.broker import BrokerOptions, mosquitto
from tests.support.mqtt_cloud import House
from tests.support.peers import need
from tests.support.ports import free_port
from tests.unit.northbound.fakes import event, source


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates in a folder."""

    folder: Path

    def openssl(self, *arguments: str) -> None:
        subprocess.run([need("openssl"), *arguments], cwd=self.folder, check=True, capture_output=True)

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def found(self) -> "Authority":
        self.folder.mkdir(exist_ok=True)
        self.openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip
        return self

    def sign(self, name: str, address: str = "127.0.0.1") -> tuple[Path, Path]:
        """Certificate and key of `name`."""
        (self.folder / f"{name}.ext").write_text(f"subjectAltName=IP:{address}\n")
        self.openssl(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        self.openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext",
        )  # fmt: skip
        for suffix in ("key", "pem"):
            (self.folder / f"{name}.{suffix}").chmod(0o644)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    need("mosquitto")
    return Authority(tmp_path / "ca").found()


def options(authority: Authority, **more: Any) -> BrokerOptions:
    certificate, key = authority.sign("broker")
    return BrokerOptions(ca_file=authority.certificate, cert_file=certificate, key_file=key, **more)


async def reason(url: str, **settings: Any) -> str:
    house = House("m1")
    cloud = house.cloud(url, **settings)
    try:
        with pytest.raises(NotConnected) as caught:
            await cloud.connect()
        assert cloud.reason == str(caught.value)
        assert not cloud.connected
        return str(caught.value)
    finally:
        await cloud.close()


async def test_tls_with_password_and_client_certificate(tmp_path: Path, authority: Authority) -> None:
    given = options(authority, users={"plant": "s3cret"}, client_certificates=True)
    certificate, key = authority.sign("client")
    (tmp_path / "password").write_text("s3cret\n")
    async with mosquitto(tmp_path, given) as broker:
        house = House("m1")
        secrets = {
            "ca_file": authority.certificate,
            "cert_file": certificate,
            "key_file": key,
            "user": "plant",
            "password_file": tmp_path / "password",
        }
        for version in ("5", "3.1.1"):
            async with house.connected(broker.url, version=version, **secrets) as ours:
                of = source("m1", "all", *(f"R{n}" for n in range(100)))
                await ours.send([event(of, *[1.5] * 100, offset=n) for n in range(1, 200)])
                assert ours.connected
        without = {**secrets, "cert_file": None, "key_file": None}
        text = await reason(broker.url, **without)
        assert "closed the connection" in text
        assert "client certificate" in text
        (tmp_path / "password").write_text("wrong")
        text = await reason(broker.url, **secrets)
        assert "refuses the user plant: wrong user name, password" in text
        assert "wrong\n" not in text
        assert "s3cret" not in text


async def test_a_broker_that_somebody_else_signed_is_not_trusted(tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path / "other").found()
    async with mosquitto(tmp_path, options(authority)) as broker:
        text = await reason(broker.url, ca_file=other.certificate)
        assert "cannot be trusted" in text
        assert "ca_file" in text
        text = await reason(broker.url.replace("127.0.0.1", "localhost"), ca_file=authority.certificate)
        assert "cannot be trusted" in text
        assert "localhost" in text


async def test_the_password_may_be_renewed_while_we_run(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("wrong")
    async with mosquitto(tmp_path, BrokerOptions(users={"plant": "s3cret"})) as broker:
        cloud = House("m1").cloud(broker.url, user="plant", password_file=secret)
        with pytest.raises(NotConnected, match="refuses the user plant"):
            await cloud.connect()
        secret.write_text("s3cret")
        await cloud.connect()
        assert cloud.connected
        await cloud.close()


async def test_reasons_are_plain(tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    assert await reason(f"mqtt://127.0.0.1:{port}") == f"nothing listens at 127.0.0.1:{port}"
    assert "password file" in await reason(f"mqtt://127.0.0.1:{port}", user="a", password_file=tmp_path / "none")
    assert "certificate file" in await reason(f"mqtts://127.0.0.1:{port}", ca_file=tmp_path / "none")
    async with mosquitto(tmp_path) as broker:
        text = await reason(broker.url.replace("mqtt:", "mqtts:"), ca_file=authority.certificate)
        assert "TLS" in text or "cannot be reached" in text
    async with mosquitto(tmp_path, BrokerOptions(users={"plant": "s3cret"})) as broker:
        assert "a client without user name" in await reason(broker.url)


async def test_a_cloud_that_may_write_only_its_own_topics(tmp_path: Path) -> None:
    acl = "topic readwrite southgate/v1/plant 7/#\n"
    async with mosquitto(tmp_path, BrokerOptions(acl=acl)) as broker, House("m1").connected(broker.url) as ours:
        await ours.send([event(source("m1", "all", "A"), 1.5)])
    async with mosquitto(tmp_path, BrokerOptions(acl="topic read southgate/#\n")) as broker:
        assert "0x87" in await reason(broker.url)
