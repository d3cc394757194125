"""Any text is read or refused, and what is written reads back equal."""

import string
from typing import Any, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway.model import yaml
from gateway.model.device import AdminState, AutoEvent, Device, OperatingState, Retention
from gateway.model.dump import dump_devices, dump_profile, edgex_json
from gateway.model.errors import ConfigError
from gateway.model.load import device_from_json, load_devices, load_profile, patch_device, profile_from_json
from gateway.model.profile import (
    Compat,
    DeviceCommand,
    DeviceProfile,
    DeviceResource,
    ReadWrite,
    ResourceOperation,
    ResourceProperties,
    ValueType,
)
from gateway.model.scalar import Plain, literal_text, resolve

YAML_WORDS = ["", "~", "null", "yes", "off", "y", "0777", "0x10", "1e3", "10.10", "1:30", "<<", "=", "..."]
YAML_SIGNS = ["- a", "a: b", "#", "!!str", "*a", "&a", "'", '"', "%", "@", "`", " a ", "|", ">", "?", "-", "{", "]"]
CHARACTERS = ["a\nb", "\n", "a\n\n b\n", "\t", "\r", "\x07", "\x85", "\u2028", "\ufeff", "\xa0", "\ufffe", "😀"]
PIECES = [
    "name: a\n",
    "deviceResources:\n",
    "  - ",
    ", ",
    ": ",
    "&a ",
    "*a",
    "<<: ",
    "? ",
    "| \n",
    "---\n",
    "!!",
    "\r\n",
]
PIECES += ["- name: x\n  properties: {valueType: Bool, readWrite: R}\n", "deviceList:\n", "%YAML 1.1\n", '"\\ud800"']
KEYS = [
    "name",
    "Name",
    "deviceResources",
    "properties",
    "valueType",
    "readWrite",
    "protocols",
    "autoEvents",
    "interval",
]
KEYS += ["adminState", "labels", "optional", "twin", "mask", "scale", "id", "location"]

tricky = st.sampled_from(YAML_WORDS + YAML_SIGNS + CHARACTERS)
texts = st.one_of(tricky, st.text())
M = TypeVar("M", bound=BaseModel)
names = st.one_of(
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(lambda text: bool(text.strip())),
    st.sampled_from(["0x10", "yes", "~", "1.50", "a/b+#$%", "<<", "温度"]),
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
literals = st.from_regex(r"[-+]?[0-9]{1,12}(\.[0-9]{1,8})?(e[-+]?[0-9]{1,2})?", fullmatch=True).map(
    lambda text: resolve(Plain(text))
)
free_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), numbers, literals, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
free_maps = st.dictionaries(st.text(string.ascii_letters, min_size=1) | texts, free_values, max_size=3).map(
    lambda found: {key: value for key, value in found.items() if key not in _OURS}
)
_OURS = {"twin", "reapply", "tolerance", "minInterval", "maxInterval"}
optional_numbers = st.none() | numbers


def made(model: type[M], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[M]:
    return st.fixed_dictionaries(fields).map(lambda drawn: model(**drawn))


resources = made(
    DeviceResource,
    name=names,
    description=texts,
    is_hidden=st.booleans(),
    tags=free_maps,
    attributes=free_maps,
    properties=made(
        ResourceProperties,
        value_type=st.sampled_from([kind for kind in ValueType if kind is not ValueType.BINARY]),
        read_write=st.just(ReadWrite.RW),
        units=texts,
        minimum=optional_numbers,
        scale=optional_numbers,
        mask=st.none() | st.integers(0, 2**64 - 1),
        shift=st.none() | st.integers(-(2**63), 2**63 - 1),
        default_value=texts,
        assertion=texts,
        optional=free_maps,
    ),
)


@st.composite
def profiles(draw: st.DrawFn) -> DeviceProfile:
    found = draw(st.lists(resources, max_size=3, unique_by=lambda resource: resource.name))
    operations = made(
        ResourceOperation,
        device_resource=st.sampled_from([resource.name for resource in found] or ["-"]),
        default_value=texts,
        mappings=st.dictionaries(texts, texts, max_size=3),
    )
    command = made(
        DeviceCommand,
        name=names,
        read_write=st.sampled_from(ReadWrite),
        resource_operations=st.lists(operations, min_size=1, max_size=2),
    )
    commands = draw(st.lists(command, max_size=2, unique_by=lambda one: one.name)) if found else []
    return DeviceProfile(
        name=draw(names),
        manufacturer=draw(texts),
        labels=draw(st.lists(texts, max_size=2)),
        compat=draw(st.sampled_from(Compat)),
        device_resources=found,
        device_commands=commands,
    )


events = made(
    AutoEvent,
    interval=st.sampled_from(["1s", "500ms", "1h30m"]),
    on_change=st.booleans(),
    on_change_threshold=st.floats(0, 1e9),
    source_name=names,
    retention=st.none() | made(Retention, max_cap=st.integers(-1, 9), duration=st.sampled_from(["", "1h"])),
)
devices = made(
    Device,
    name=names,
    description=texts,
    admin_state=st.sampled_from(AdminState),
    operating_state=st.sampled_from(OperatingState),
    labels=st.lists(texts, max_size=2),
    location=free_values,
    service_name=texts,
    profile_name=texts,
    protocols=st.dictionaries(texts, free_maps, max_size=2),
    auto_events=st.none() | st.lists(events, max_size=2),
    tags=free_maps,
    properties=free_maps,
)


def literal(value: Any) -> Any:
    """The value with every scalar as its text, so that 10.1 and 10.10 differ."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return (type(value).__name__, literal_text(value))


@given(profiles())
@settings(max_examples=60, deadline=None)
def test_a_profile_written_reads_back_equal(profile: DeviceProfile) -> None:
    loaded = load_profile(dump_profile(profile), "p.yaml", strict=True)
    assert not loaded.problems
    assert loaded.value == profile
    for read, written in zip(loaded.value.device_resources, profile.device_resources, strict=True):
        assert literal(read.attributes) == literal(written.attributes)


@given(st.lists(devices, max_size=3, unique_by=lambda device: device.name))
@settings(max_examples=60, deadline=None)
def test_devices_written_read_back_equal(found: list[Device]) -> None:
    loaded = load_devices(dump_devices(found), "d.yaml", strict=True)
    assert not loaded.problems
    assert loaded.value == found


@given(profiles())
@settings(max_examples=50, deadline=None)
def test_edgex_json_is_a_body_again(profile: DeviceProfile) -> None:
    assert edgex_json(profile_from_json(edgex_json(profile))) == edgex_json(profile)


fragments = st.lists(
    st.one_of(
        tricky,
        st.sampled_from(PIECES),
        st.text(max_size=5),
    )
).map("".join)


@given(st.one_of(st.text(), fragments, st.binary()))
@example("\ud800")
@example('a: "\\ud800"')
@example('a: "\\U00110000"')
@example("%YAML 9.9\n---\na")
@example("? {a: b}\n: c")
@example("&a &b c")
@example("a: !<tag:yaml.org,2002:int> x")
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    for load in (load_profile, load_devices, yaml.read):
        for file in ("x.yaml", "x.json"):
            try:
                load(text, file)  # type: ignore[operator]
            except ConfigError as error:
                assert str(error)  # noqa: PT017


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("\ud800")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(json_values)
@settings(max_examples=300, deadline=None)
def test_any_body_is_read_or_refused(body: Any) -> None:
    for read in (profile_from_json, device_from_json, lambda obj: patch_device(Device(name="a"), obj)):
        try:
            assert edgex_json(read(body))
        except ConfigError as error:
            str(error).encode(errors="surrogatepass")


@pytest.mark.parametrize("text", ["y", "n", "Yes", "1:30", "2024-01-31", "0o17", "1e3", "~", "=", "<<"])
def test_other_readers_of_yaml_see_text_too(text: str) -> None:
    written = dump_devices([Device(name="a", description=text)])
    assert f"'{text}'" in written or f'"{text}"' in written
