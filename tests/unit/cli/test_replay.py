"""`southgate replay`: the same text each time, what differs, what was never recorded, and files that are none."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model.dump import dump_profile
from gateway.model.load import load_profile
from gateway.model.recording import load_recording, redacted
from tests.profiles.golden import readings_of, recording_of
from tests.support.recordings import text_of
from tests.unit.cli.conftest import Run

METER = recording_of("eastron-sdm230")
EXPECTED = readings_of("eastron-sdm230")
CASE = Path(__file__).parents[2] / "cases" / "device-that-refuses-and-garbles"


def test_readings_one_a_line(southgate: Run) -> None:
    """T45: byte by byte the text that was kept."""
    ran = southgate("replay", METER)
    assert (ran.code, ran.err, ran.out) == (0, "", EXPECTED.read_text("utf-8"))
    assert southgate("replay", METER).out == ran.out
    assert json.loads(ran.out.splitlines()[0]) == {
        "origin": 1_763_635_200_006_000_000,
        "device": "eastron-sdm230",
        "source": "Instantaneous",
        "resource": "Voltage",
        "value": 228.79073,
    }


def test_faults_are_replayed_as_such(southgate: Run) -> None:
    ran = southgate("replay", CASE / "recording.jsonl")
    assert (ran.code, ran.err) == (0, "")
    found = {tuple(json.loads(line).get("quality", ())) for line in ran.out.splitlines()}
    assert found == {(), ("bad", "refused", "4"), ("bad", "timeout"), ("bad", "disconnected")}


def test_as_expected(southgate: Run) -> None:
    ran = southgate("replay", METER, "--expected", EXPECTED)
    lines = len(EXPECTED.read_text("utf-8").splitlines())
    assert (ran.code, ran.err, ran.out) == (0, "", f"{lines} readings, all as expected\n")


def test_what_differs_is_shown_and_is_1(southgate: Run) -> None:
    Path("then.jsonl").write_text(EXPECTED.read_text("utf-8").replace("228.79073", "228.8"))
    ran = southgate("replay", METER, "--expected", "then.jsonl")
    assert ran.code == 1
    minus, plus = (next(line for line in ran.out.splitlines() if line.startswith(f"{mark}{{")) for mark in "-+")
    assert minus.endswith('"resource": "Voltage", "value": 228.8}')
    assert plus.endswith('"resource": "Voltage", "value": 228.79073}')
    as_json = southgate("replay", METER, "--expected", "then.jsonl", "--json").json
    assert as_json["difference"] == ran.out.splitlines()
    assert as_json["readings"][0]["value"] == 228.79073


def test_a_profile_in_the_recording_is_the_one_that_counts(southgate: Run) -> None:
    recording = load_recording((CASE / "recording.jsonl").read_bytes(), "recording.jsonl")
    (profile,) = recording.profiles
    assert "Flow-meter" in dump_profile(profile)
    text = (CASE / "recording.jsonl").read_text("utf-8").replace("scale: 0.1", "scale: 10.0")
    Path("other.jsonl").write_text(text)
    ran = southgate("replay", "other.jsonl", "--expected", CASE / "readings.jsonl")
    assert ran.code == 1
    assert '"resource": "Volume", "value": 1234510}' in ran.out


def test_a_template_and_the_values_of_its_devices(southgate: Run) -> None:
    """The profile is recorded with its parameters, the device with its values for them; also without names."""
    recording = load_recording((CASE / "recording.jsonl").read_bytes(), "recording.jsonl")
    (device,), (profile,) = recording.devices, recording.profiles
    text = (
        dump_profile(profile).replace("scale: 0.1", "scale: $(factor)") + "parameters: {factor: {valueType: Float64}}\n"
    )
    own = {"parameters": {"factor": 0.1}, "overrides": {"Alarm": {"properties": {"offset": 5}}}, "owner": "Smith"}
    changed = replace(
        recording,
        devices=[device.model_copy(update={"properties": own})],
        profiles=[load_profile(text, "template.yaml").value],
    )
    for number, one in enumerate((changed, redacted(changed, ["modbus-tcp", "modbus-rtu"]))):
        Path(f"{number}.jsonl").write_text(text_of(one))
        ran = southgate("replay", f"{number}.jsonl")
        assert (ran.code, ran.err) == (0, "")
        first = [json.loads(line)["value"] for line in ran.out.splitlines()[:3]]
        assert first == [2.5, 12345.1, 7]
    assert "Smith" not in Path("1.jsonl").read_text()


def test_the_name_a_gateway_gives_its_device_service_is_not_needed(southgate: Run) -> None:
    """It may have another one (`aliases`), which is in its settings and not in the recording."""
    recording = load_recording((CASE / "recording.jsonl").read_bytes(), "recording.jsonl")
    (device,) = recording.devices
    named = replace(recording, devices=[device.model_copy(update={"service_name": "hall-7-modbus"})])
    Path("named.jsonl").write_text(text_of(named))
    ran = southgate("replay", "named.jsonl", "--expected", CASE / "readings.jsonl")
    assert (ran.code, ran.err) == (0, "")


def test_another_profile_may_be_tried(southgate: Run) -> None:
    recording = load_recording((CASE / "recording.jsonl").read_bytes(), "recording.jsonl")
    text = dump_profile(recording.profiles[0])
    assert text.count("Float32") == 1
    Path("other.yaml").write_text(text.replace("Float32", "Int32"))
    ran = southgate("replay", CASE / "recording.jsonl", "--profile", "other.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert '"resource": "Flow", "value": 1075838976}' in ran.out.splitlines()[0]
    Path("broken.yaml").write_text("name: [")
    assert southgate("replay", CASE / "recording.jsonl", "--profile", "broken.yaml").code == 2


def test_requests_that_were_never_recorded_are_named_one_by_one(southgate: Run) -> None:
    text = (CASE / "recording.jsonl").read_text("utf-8").replace("startingAddress: 200", "startingAddress: 201")
    Path("other.jsonl").write_text(text)
    ran = southgate("replay", "other.jsonl")
    assert ran.code == 1
    assert "unit 3, FC3 holding registers 201: never recorded" in ran.err
    assert (
        "requests belong to no poll (people, probes, what was under way): unit 3, FC3 holding registers 200" in ran.err
    )
    first = [json.loads(line) for line in ran.out.splitlines()[:3]]
    assert [row["value"] for row in first] == [2.5, 12345.1, None]
    assert southgate("replay", "other.jsonl", "--json").json["missing"] == ["unit 3, FC3 holding registers 201"]


def test_nothing_that_belongs_to_a_poll_is_1(southgate: Run) -> None:
    head = METER.read_text("utf-8").splitlines()[0]
    Path("empty.jsonl").write_text(head)
    ran = southgate("replay", "empty.jsonl")
    assert (ran.code, ran.out) == (1, "")
    assert "of this poll nothing was recorded: eastron-sdm230, every 1 s: FC4 input registers 0-87" in ran.err
    assert "nothing in this recording begins a poll of its devices" in ran.err


def _device(**changes: str) -> str:
    text = METER.read_text("utf-8")
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "bad.jsonl:1: error: this is no recording of southgate"),
        (_device(Address="Adress"), "bad.jsonl: error: protocols.modbus-tcp.Address: is required"),
        (_device(Eastron="Eestron"), "Eestron-SDM230 is neither a profile file nor a shipped profile"),
        (_device(Instantaneous="Instant"), "auto event source 'Instant' cannot be found"),
        (_device(**{"device-modbus": "device-other"}), "no device service 'device-other' here"),
        (_device(**{'"facts":{}': '"facts":{"eastron-sdm230":{"apart":7}}'}), "facts: eastron-sdm230: "),
        (_device(**{'"framing":"tcp"': '"framing":"telex"'}), "framing 'telex'; tcp, rtu and ascii are spoken here"),
        (_device(**{'"sent":"000100000006030400000058"': '"sent":"0001"'}), "what was sent is no tcp frame of Modbus"),
        (_device(deviceList="nobody"), "error"),
    ],
)
def test_a_hostile_file_is_2_and_says_what_is_wrong(text: str, said: str, southgate: Run) -> None:
    Path("bad.jsonl").write_text(text)
    ran = southgate("replay", "bad.jsonl")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_no_devices_or_two_connections_are_refused(southgate: Run) -> None:
    recording = load_recording(METER.read_bytes(), "meter")
    other = recording.devices[0].model_copy(
        update={"name": "b", "protocols": {"modbus-tcp": {"Address": "b", "UnitID": 1}}}
    )
    for devices, keys in (([], "none"), ([*recording.devices, other], "127.0.0.1:502, b:502")):
        changed = recording.__class__(recording.started, recording.service, devices, frames=recording.frames)
        Path("bad.jsonl").write_text(text_of(changed))
        ran = southgate("replay", "bad.jsonl")
        assert ran.code == 2
        assert f"a recording is of one connection with devices that have profiles; here is: {keys}" in ran.err


@pytest.mark.parametrize("arguments", [["none.jsonl"], [str(METER), "--expected", "none.jsonl"]])
def test_a_file_that_is_not_there(arguments: list[str], southgate: Run) -> None:
    ran = southgate("replay", *arguments)
    assert (ran.code, "none.jsonl cannot be read: No such file" in ran.err) == (2, True)
