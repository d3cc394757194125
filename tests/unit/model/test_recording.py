"""The file of a recorded line: what is written is read, and what is none is refused with its line."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model.dump import dump_profile
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices, load_profile
from gateway.model.profile import Compat
from gateway.model.recording import Frame, Recording, frame_text, head_text, load_recording, redacted

PROFILE = load_profile(
    """
name: Tank
deviceResources:
- name: Bit
  properties: {valueType: Bool, readWrite: R}
  attributes: {primaryTable: HOLDING_REGISTERS, startingAddress: 22.10}
- name: Word
  properties: {valueType: Uint16, readWrite: R}
  attributes: {primaryTable: HOLDING_REGISTERS, startingAddress: 0x10}
""",
    "tank.yaml",
).value
DEVICES = load_devices(
    """
- name: Müllers tank
  description: in the cellar of Müller
  labels: [Müller]
  tags: {owner: Müller}
  profileName: Tank
  serviceName: mueller-modbus
  protocols:
    modbus-tcp: {Address: tank.mueller.example, Port: 502, UnitID: 1}
    web: {Host: www.mueller.example, Password: secret}
""",
    "devices.yaml",
).value
FRAMES = [
    Frame(0.000001, "framing", "tcp"),
    Frame(0.5, "sent", bytes.fromhex("000100000006010300100007")),
    Frame(0.5, "heard", b""),
    Frame(0.75, "gave_up", "after 0.25 s"),
    Frame(1.0, "facts", {"Müllers tank": {"answer_ms": 4.5}}),
    Frame(2.0, "closed", ""),
    Frame(86400.0, "end", "tank.mueller.example is gone"),
]
WHOLE = Recording(
    started=1_763_635_200_000_000_001,
    service="device-modbus",
    devices=DEVICES,
    profiles=[PROFILE],
    facts={"Müllers tank": {"max_registers": 10}},
    compat=Compat.EDGEX,
    version="9.9",
    frames=FRAMES,
)


def text_of(recording: Recording) -> bytes:
    return (head_text(recording) + "".join(map(frame_text, recording.frames))).encode()


def test_what_is_written_is_read() -> None:
    again = load_recording(text_of(WHOLE) + b"\n\n", "line.jsonl")
    assert again == replace(WHOLE, frames=[replace(frame, line=at) for at, frame in enumerate(FRAMES, 2)])
    assert dump_profile(again.profiles[0]) == dump_profile(PROFILE)
    assert "22.10" in dump_profile(again.profiles[0]), "numbers keep their text: register 22.10 is not 22.1"
    assert len(text_of(WHOLE).splitlines()) == 1 + len(FRAMES)


def test_redacted_names_nobody_and_no_place() -> None:
    text = text_of(redacted(WHOLE, ["modbus-tcp"])).decode()
    assert "ller" not in text
    assert "mueller" not in text
    assert "secret" not in text
    again = load_recording(text.encode(), "line.jsonl")
    assert [device.name for device in again.devices] == ["device-1"]
    assert again.facts == {"device-1": {"max_registers": 10}}
    assert again.frames[4].value == {"device-1": {"answer_ms": 4.5}}
    assert again.frames[1].value == FRAMES[1].value


HEAD = head_text(WHOLE).encode()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not readable as a line"),
        (b"[1]", "not readable as a line"),
        (b"[" * 100_000, "not readable as a line"),
        (b"{}", "at must be a number of seconds"),
        (b'{"at":true,"sent":""}', "at must be a number"),
        (b'{"at":-1,"sent":""}', "at must be a number"),
        (b'{"at":1e300,"sent":""}', "at must be a number"),
        (b'{"at":86401,"sent":""}', "at must be a number"),
        (b'{"at":1}', "there must be one of sent, heard"),
        (b'{"at":1,"sent":"00","heard":"00"}', "there must be one of sent, heard"),
        (b'{"at":1,"said":"00"}', "there must be one of sent, heard"),
        (b'{"at":1,"sent":7}', "sent must be text"),
        (b'{"at":1,"sent":"0"}', "hexadecimal"),
        (b'{"at":1,"heard":"xy"}', "hexadecimal"),
        (b'{"at":1,"heard":"' + b"00" * 8193 + b'"}', "8193 bytes"),
        (b'{"at":1,"facts":[]}', "facts must be a mapping"),
        (b'{"at":1,"facts":{"a":1}}', "facts must be a mapping"),
        (b'{"at":1,"end":null}', "end must be text"),
    ],
)
def test_a_line_that_is_none_is_refused_with_its_number(line: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        load_recording(HEAD + b'{"at":0,"framing":"tcp"}\n' + line + b"\n", "line.jsonl")
    assert str(raised.value).startswith("line.jsonl:3: ")


@pytest.mark.parametrize("cut", range(1, len('{"at":2.0,"sent":"00"}')))
def test_a_last_line_that_was_cut_off_is_left_out(cut: int) -> None:
    """The power fails, or the gateway dies, while a line is written; what stands before it is a recording."""
    text = HEAD + b'{"at":1,"sent":"00"}\n' + b'{"at":2.0,"sent":"00"}'[:cut]
    assert [frame.at for frame in load_recording(text, "line.jsonl").frames] == [1]


def test_time_does_not_go_back() -> None:
    with pytest.raises(ConfigError, match=r"line.jsonl:3: at 1 is before the line above, which is at 2"):
        load_recording(HEAD + b'{"at":2,"sent":"00"}\n{"at":1,"sent":"00"}', "line.jsonl")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "this is no recording"),
        (b"not json", "this is no recording"),
        (b"[]", "this is no recording"),
        (b"\xff", "is not UTF-8"),
        (b'{"recording":1,"service":"s","started":0}', "missing required field `devices`"),
        (b'{"recording":2,"service":"s","started":0,"devices":""}', "form 2; this version reads form 1"),
        (b'{"recording":1,"service":"s","started":-1,"devices":""}', "started -1 is no time"),
        (b'{"recording":1,"service":"s","started":0,"devices":"- 7"}', "line.jsonl, devices:1: "),
        (
            b'{"recording":1,"service":"s","started":0,"devices":"","profiles":["deviceResources: 7"]}',
            "line.jsonl, profile 1",
        ),
        (b'{"recording":1,"service":"s","started":0,"devices":"","facts":{"a":1}}', "this is no recording"),
        (b'{"recording":1,"recording":1}', "this is no recording"),
        (b'{"a":' * 5000, "this is no recording"),
    ],
)
def test_a_head_that_is_none_is_refused(head: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_recording(head + b'\n{"at":0,"framing":"tcp"}', "line.jsonl")


def test_a_file_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.model.recording.MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match=r"line.jsonl: 1,0\d\d bytes; at most 1,000 are read"):
        load_recording(HEAD.ljust(1050), "line.jsonl")


def refusal(text: bytes) -> str:
    """Empty: it was read."""
    try:
        load_recording(text, "line.jsonl")
    except ConfigError as error:
        return str(error)
    return ""


simple = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
anything = simple | st.lists(simple, max_size=2) | st.dictionaries(st.text(max_size=3), simple, max_size=2)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["at", "sent", "heard", "facts", "end", "framing", "x"]), anything, max_size=3))
def test_no_line_raises_anything_else(line: dict[str, Any]) -> None:
    said = refusal(HEAD + json.dumps(line).encode())
    assert not said or said.startswith("line.jsonl:2: ")


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    assert refusal(data)
    refusal(HEAD + data)
