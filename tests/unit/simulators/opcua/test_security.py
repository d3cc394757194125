"""Who a simulated server lets in, and who it says it is; with asyncua's own client."""

from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.model.errors import ConfigError
from gateway.model.load import load_devices
from simulators.world import World, serve
from simulators.worldfile import ServerEntry
from tests.unit.simulators.opcua.profiles import NAME, at, node, simulated
from tests.unit.simulators.profiles import profile

MADE = profile(node("X", "X", "valueType: Int32, readWrite: RW"))
MODE = ua.MessageSecurityMode


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A client's certificate and key."""
    return make(tmp_path_factory.mktemp("own"))


def make(folder: Path) -> tuple[Path, Path]:
    key = generate_private_key()
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier("urn:test")]
    certificate = generate_self_signed_app_certificate(key, "test", {}, names, [ExtendedKeyUsageOID.CLIENT_AUTH])
    (folder / "certificate.der").write_bytes(certificate.public_bytes(Encoding.DER))
    (folder / "key.pem").write_bytes(dump_private_key_as_pem(key))
    return folder / "certificate.der", folder / "key.pem"


def entry(**settings: Any) -> ServerEntry:
    return ServerEntry.model_validate(settings)


SECURED = [
    ("Basic256Sha256", MODE.Sign), ("Basic256Sha256", MODE.SignAndEncrypt),
    ("Aes128Sha256RsaOaep", MODE.SignAndEncrypt), ("Aes256Sha256RsaPss", MODE.Sign),
    ("Aes256Sha256RsaPss", MODE.SignAndEncrypt),
]  # fmt: skip


async def test_every_policy_is_served_and_the_certificate_says_who_the_server_is(own: tuple[Path, Path]) -> None:
    async with simulated(MADE) as running:
        address = running.devices[NAME].address
        for policy, mode in SECURED:
            client = Client(address, timeout=10)
            client.application_uri = "urn:test"
            await client.set_security(getattr(security_policies, f"SecurityPolicy{policy}"), *own, mode=mode)
            async with client:
                assert await at(client, "X").read_value() == 0
        endpoints = await Client(address).connect_and_get_server_endpoints()
        await running.unplug(NAME)
        await running.plug(NAME)
        again = await Client(running.devices[NAME].address).connect_and_get_server_endpoints()
    assert len(endpoints) == 7
    assert {one.ServerCertificate for one in (*endpoints, *again)} == {endpoints[0].ServerCertificate}
    certificate = x509.load_der_x509_certificate(endpoints[0].ServerCertificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [endpoints[0].Server.ApplicationUri]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


async def test_only_chosen_policies_are_served_and_the_list_then_leaves_the_choice_to_the_gateway() -> None:
    async with simulated(MADE, opcua=entry(policies=["Basic256Sha256/Sign"])) as running:
        (endpoint,) = await Client(running.devices[NAME].address).connect_and_get_server_endpoints()
        assert (endpoint.SecurityPolicyUri.rsplit("#")[1], endpoint.SecurityMode) == ("Basic256Sha256", MODE.Sign)
        (device,) = load_devices(running.device_list(), "devices.yaml", strict=True).value
        assert device.protocols == {"opcua": {"Endpoint": running.devices[NAME].address}}


async def test_users_come_in_with_their_password_only() -> None:
    async with simulated(MADE, opcua=entry(users={"op": "secret"}, anonymous=False)) as running:
        for user, password, code in (("op", "secret", 0), ("op", "wrong", 1), ("eve", "secret", 1), (None, None, 2)):
            client = Client(running.devices[NAME].address, timeout=10)
            if user:
                client.set_user(user)
                client.set_password(password)
            if not code:
                async with client:
                    await at(client, "X").write_value(ua.Variant(1, ua.VariantType.Int32))
                continue
            with pytest.raises((ua.uaerrors.BadUserAccessDenied, ua.uaerrors.BadIdentityTokenRejected, ua.UaError)):
                await client.connect()
        assert running.get(NAME, "X") == 1


async def test_users_come_in_with_a_certificate_that_is_known(own: tuple[Path, Path], tmp_path: Path) -> None:
    stranger = make(tmp_path)
    async with simulated(MADE, opcua=entry(certificates=[str(own[0])])) as running:
        for (certificate, key), known in ((own, True), (stranger, False)):
            client = Client(running.devices[NAME].address, timeout=10)
            client.application_uri = "urn:test"
            policy = security_policies.SecurityPolicyBasic256Sha256
            await client.set_security(policy, *own, mode=MODE.SignAndEncrypt)
            await client.load_client_certificate(str(certificate))
            await client.load_private_key(key)
            if known:
                async with client:
                    assert await at(client, "X").read_value() == 0
            else:
                with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                    await client.connect()


async def test_an_identity_is_kept_beside_the_world_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: P\ndeviceResources:\n" + node("X", "X", "valueType: Int32, readWrite: R"))
    world = tmp_path / "world.yaml"
    world.write_text("servers: {hall: {identity: pki, history: 0}}\ndevices: [{profile: p.yaml, server: hall}]\n")
    found = []
    for _ in range(2):
        async with serve(World.from_file(world)) as running:
            endpoints = await Client(running.devices["p"].address).connect_and_get_server_endpoints()
            found.append(endpoints[0].ServerCertificate)
    assert found[0] == found[1] == (tmp_path / "pki" / "certificate.der").read_bytes()
    assert (tmp_path / "pki" / "key.pem").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"policies": ["Basic256Sha25"]}, "a policy is one of None, .* not 'Basic256Sha25'"),
        ({"policies": ["None/Sign"]}, "not 'None/Sign'"),
        ({"policies": ["Basic256/Both"]}, "not 'Basic256/Both'"),
        ({"anonymous": False}, "nobody may come in"),
        ({"certificates": ["nowhere.der"]}, "nowhere.der cannot be read as a certificate"),
    ],
)
async def test_settings_that_cannot_be_are_told(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=f"device {NAME}: .*{what}"):
        async with simulated(MADE, opcua=entry(**settings)):
            pass


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: P\ndeviceResources:\n" + node("X", "X", "valueType: Int32, readWrite: R"))
    world = tmp_path / "world.yaml"
    world.write_text("servers: {hall: {}}\ndevices: [{profile: p.yaml, server: hal}]\n")
    with pytest.raises(ConfigError, match="device p: there is no server 'hal'; under `servers` there are hall"):
        async with serve(World.from_file(world)):
            pass
