"""`southgate record`: the file it writes, and what it does not write."""

from pathlib import Path

import pytest

from tests.profiles.golden import recording_of
from tests.unit.cli.conftest import Gateway, Run

METER = recording_of("eastron-sdm230")
WHOLE = METER.read_bytes() + b'\n\n{"at":60.0,"end":"it is time"}\n'


def test_what_the_gateway_sends_is_kept(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/recording/meter%201", WHOLE)
    ran = southgate("record", "meter 1", "--url", gateway.url, "--for", "1m", "--out", "line.jsonl")
    assert (ran.code, ran.err) == (0, "")
    assert "line.jsonl: 3 requests of eastron-sdm230 in 60.0 s; ends because it is time" in ran.out
    assert "southgate replay line.jsonl" in ran.out
    assert Path("line.jsonl").read_bytes() == WHOLE.replace(b"\n\n\n", b"\n")
    assert gateway.asked[0].path.endswith("?seconds=60.0")
    assert southgate("replay", "line.jsonl").code == 0


def test_the_name_of_a_port_is_no_path(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/recording/%2Fdev%2FttyUSB0", WHOLE)
    ran = southgate("record", "/dev/ttyUSB0", "--url", gateway.url, "--json")
    assert ran.json == {
        "file": "dev-ttyUSB0.jsonl",
        "devices": ["eastron-sdm230"],
        "requests": 3,
        "seconds": 60.0,
        "end": "it is time",
    }


def test_redacted(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/recording/m", WHOLE.replace(b"127.0.0.1", b"10.1.2.3"))
    assert southgate("record", "m", "--url", gateway.url, "--redact").code == 0
    text = Path("m.jsonl").read_text()
    assert "10.1.2.3" not in text
    assert "- name: device-1" in text.replace("\\n", "\n")
    ran = southgate("replay", "m.jsonl")
    assert (ran.code, '"device": "device-1"' in ran.out) == (0, True)


def test_nothing_went_over_the_line_is_1(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/recording/m", METER.read_bytes().splitlines()[0])
    ran = southgate("record", "m", "--url", gateway.url)
    assert ran.code == 1
    assert "nothing went over this line: does anything on it have autoEvents" in ran.err


def test_a_refusal_leaves_no_file(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/recording/m", {"message": "m is being recorded already"}, status=409)
    ran = southgate("record", "m", "--url", gateway.url)
    assert (ran.code, ran.err) == (1, "error: m is being recorded already\n")
    assert not Path("m.jsonl").exists()


def test_a_file_that_is_there_stays(southgate: Run, gateway: Gateway) -> None:
    Path("m.jsonl").write_text("mine")
    ran = southgate("record", "m", "--url", gateway.url)
    assert (ran.code, "m.jsonl is there already" in ran.err) == (2, True)
    assert (Path("m.jsonl").read_text(), gateway.asked) == ("mine", [])


def test_a_folder_that_is_not_there(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/recording/m", WHOLE)
    ran = southgate("record", "m", "--url", gateway.url, "--out", "none/m.jsonl")
    assert (ran.code, "none/m.jsonl cannot be written: No such file" in ran.err) == (2, True)


@pytest.mark.parametrize("text", ["0s", "-1s", "25h", "soon", "60"])
def test_how_long(text: str, southgate: Run) -> None:
    ran = southgate("record", "m", f"--for={text}")
    assert (ran.code, "--for" in ran.err) == (2, True)


def test_a_device_that_is_not_in_the_folder(southgate: Run) -> None:
    Path("devices.yaml").write_text(
        "[{name: m, profileName: Eastron-SDM230, protocols: {modbus-tcp: {Address: 127.0.0.1, UnitID: 1}}}]"
    )
    ran = southgate("record", "x", "--folder", "devices.yaml")
    assert (ran.code, "there is no device and no connection x; connections are 127.0.0.1:502" in ran.err) == (1, True)
