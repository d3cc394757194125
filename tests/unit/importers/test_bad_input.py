"""No file, however broken, makes an importer fail otherwise than by saying what is wrong; and what it gives runs."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.importers import FORMATS, importer
from gateway.importers.wishes import Wishes
from gateway.model.consistency import inconsistencies, outline
from gateway.model.dump import dump_devices, dump_profile
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices, load_profile
from gateway.model.profile import Compat
from mappers.modbus.line.connection import examine
from mappers.modbus.point import locate
from tests.unit.importers.test_edgexv2 import V1, V2
from tests.unit.importers.test_kepware import TAGS
from tests.unit.importers.test_table import ACME
from tests.unit.importers.test_telegraf import REGISTER, REQUEST
from tests.unit.importers.test_thingsboard import file, slave, tag

THINGS = file(
    slave(timeseries=[tag("f", "float", 3, 26, 2), tag("bit", "bits", 3, 30, bit=3)], rpc=[tag("s", "bits", 5, 1)])
)
SAMPLES = [
    ("table", ACME), ("kepware", TAGS), ("thingsboard", THINGS), ("telegraf", REGISTER), ("telegraf", REQUEST),
    ("edgex-v2", V1), ("edgex-v2", V2),
]  # fmt: skip
JUNK = st.one_of(
    st.sampled_from(
        [b'"', b",", b";", b"\n", b"\r", b"\0", b"{", b"]", b"-1", b"1e999", b"null", b"\xff", b"9" * 30, b"''"]
    ),
    st.binary(max_size=6),
)


@pytest.mark.parametrize(("name", "text"), SAMPLES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SAMPLES)])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_broken_file_is_refused_or_carried_over(name: str, text: str, data: Any) -> None:
    raw = text.encode()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw = raw[:at] + data.draw(JUNK) + raw[at + data.draw(st.integers(0, 12)) :]
    _judge(name, raw)


@pytest.mark.parametrize("name", FORMATS)
@given(raw=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="replace"))))
@settings(max_examples=60, deadline=None)
def test_any_bytes(name: str, raw: bytes) -> None:
    _judge(name, raw)


def _judge(name: str, raw: bytes) -> None:
    wishes = Wishes(address="10.0.0.1", address_base="modicon" if name == "table" else "1", table="holding")
    try:
        found = importer(name).read(raw, "given", wishes)
    except ConfigError:
        return
    for profile in found.profiles:
        assert load_profile(dump_profile(profile), "p.yaml", strict=True).value == profile
        assert list(inconsistencies(outline(profile))) == []
        for resource in profile.device_resources:
            if "primaryTable" in resource.attributes:
                assert locate(resource, Compat.NONE)[0] is not None
    names = {profile.name for profile in found.profiles}
    devices = load_devices(dump_devices(found.devices), "d.yaml", strict=True).value
    assert devices == found.devices
    for device in devices:
        assert device.profile_name in names
        assert examine(device)[0] is not None
    for problem in (*found.report.lefts(), *found.report.notes()):
        assert problem.what
        str(problem).encode()
