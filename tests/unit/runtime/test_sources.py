import contextlib
import time

import pytest

from gateway.model.device import Device
from gateway.model.errors import CommandRejected
from gateway.model.profile import Compat, DeviceProfile
from gateway.runtime.regex.pattern import compile_pattern
from gateway.runtime.regex.posix import BadPattern
from gateway.runtime.sources import matching, select, sources_of


def resource(name: str, read_write: str = "R", kind: str = "Uint16") -> dict[str, object]:
    return {"name": name, "properties": {"valueType": kind, "readWrite": read_write}}


PROFILE = DeviceProfile.model_validate(
    {
        "name": "P",
        "deviceResources": [
            resource("Voltage"),
            resource("Voltage.L1"),
            resource("Mode", "RW"),
            resource("Start", "W"),
            resource("Both"),
        ],
        "deviceCommands": [
            {
                "name": "Plain",
                "readWrite": "R",
                "tags": {"group": "slow"},
                "resourceOperations": [{"deviceResource": "Voltage"}, {"deviceResource": "Mode"}],
            },
            {
                "name": "Named",
                "readWrite": "RW",
                "resourceOperations": [{"deviceResource": "Mode", "mappings": {"0": "off", "1": "on"}}],
            },
            {"name": "Both", "readWrite": "R", "resourceOperations": [{"deviceResource": "Voltage"}]},
        ],
    }
)
DEVICE = Device.model_validate({"name": "D", "profileName": "P", "serviceName": "device-scripted"})


def test_every_command_and_resource_has_a_source_and_the_command_wins() -> None:
    sources = sources_of(DEVICE, PROFILE, "device-scripted")
    assert set(sources) == {"Voltage", "Voltage.L1", "Mode", "Start", "Both", "Plain", "Named"}
    assert sources["Plain"].names == ("Voltage", "Mode")
    assert sources["Plain"].tags == {"group": "slow"}
    assert sources["Both"].names == ("Voltage",)
    assert (sources["Mode"].service, sources["Mode"].profile, sources["Mode"].device) == ("device-scripted", "P", "D")


def test_mappings_belong_to_the_command_and_serve_its_resource_when_read_directly() -> None:
    sources = sources_of(DEVICE, PROFILE, "s")
    assert sources["Named"].mappings == ({"0": "off", "1": "on"},)
    assert sources["Mode"].mappings == ({"0": "off", "1": "on"},)
    assert sources["Plain"].mappings == ()


def test_compat_edgex_takes_the_first_operation_of_any_command() -> None:
    sources = sources_of(DEVICE, PROFILE, "s", Compat.EDGEX)
    assert sources["Mode"].mappings == ()
    assert sources["Named"].mappings == ()


def test_compat_of_the_gateway_or_the_profile_goes_with_every_source() -> None:
    assert {one.compat for one in sources_of(DEVICE, PROFILE, "s").values()} == {Compat.NONE}
    assert {one.compat for one in sources_of(DEVICE, PROFILE, "s", Compat.EDGEX).values()} == {Compat.EDGEX}
    own = PROFILE.model_copy(update={"compat": Compat.EDGEX})
    assert {one.compat for one in sources_of(DEVICE, own, "s").values()} == {Compat.EDGEX}
    assert select(own, DEVICE, "V.*").compat is Compat.EDGEX
    assert select(PROFILE, DEVICE, "V.*", compat=Compat.EDGEX).compat is Compat.EDGEX


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("Voltage", ["Voltage"]),
        ("Voltage.*", ["Voltage", "Voltage.L1"]),
        ("Voltage.L1", ["Voltage.L1"]),
        (".*", ["Voltage", "Voltage.L1", "Mode", "Both"]),
        ("(Mode|Start)", ["Mode"]),
        ("^M[[:alpha:]]+$", ["Mode"]),
        ("V.l+tag(e|e.L[0-9]{1,2})", ["Voltage", "Voltage.L1"]),
        ("(V|Voltage)", ["Voltage"]),
    ],
)
def test_select_matches_whole_names_and_leaves_write_only_ones_out(pattern: str, names: list[str]) -> None:
    source = select(PROFILE, DEVICE, pattern)
    assert list(source.names) == names
    assert source.name == pattern
    assert source.number == 0


@pytest.mark.parametrize(
    ("pattern", "code", "text"),
    [
        ("Volt", 404, "DeviceResource Volt not found; did you mean Voltage?"),
        ("oltage.*", 404, "Regex DeviceResource oltage.* not found"),
        ("Start", 405, "no readable resources matched with Start"),
        ("S.*", 405, "no readable resources matched with S.*"),
        ("(Mode", 404, "Regex DeviceResource (Mode not found: a ( is not closed"),
        (r"\d+", 404, r"Regex DeviceResource \d+ not found: \d means nothing"),
    ],
)
def test_select_says_what_is_wrong(pattern: str, code: int, text: str) -> None:
    with pytest.raises(CommandRejected) as caught:
        select(PROFILE, DEVICE, pattern)
    assert caught.value.code == code
    assert str(caught.value).startswith(text)


def test_a_name_that_is_no_expression_still_names_itself() -> None:
    assert matching(["A (L1", "B"], "A (L1") == ["A (L1"]
    assert matching(["A+B"], "A+B") == ["A+B"]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a*", ["", "aaa"], ["b", "aab"]),
        ("a|b|", ["a", "b", ""], ["ab"]),
        ("(ab)+c?", ["ab", "ababc"], ["", "abcc"]),
        ("a{2}", ["aa"], ["a", "aaa"]),
        ("a{2,}", ["aa", "aaaaa"], ["a"]),
        ("a{0,2}b", ["b", "aab"], ["aaab"]),
        ("[^a-c]x", ["dx"], ["ax", "x"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[a-]", ["-", "a"], ["b"]),
        ("[[:digit:]_]+", ["1_2"], ["a"]),
        (r"a\.b", ["a.b"], ["axb"]),
        ("x{", ["x{"], ["x"]),
        ("^a$", ["a"], ["aa"]),
        ("a^b", [], ["ab", "a^b"]),
        ("(a|ab)(c|bcd)", ["abcd", "ac", "abc"], ["abd"]),
        ("Größe.", ["Größe1"], ["Größe"]),
    ],
)
def test_posix_expressions(pattern: str, yes: list[str], no: list[str]) -> None:
    matches = compile_pattern(pattern)
    assert [name for name in yes if not matches(name)] == []
    assert [name for name in no if matches(name)] == []


@pytest.mark.parametrize("pattern", ["(", ")", "[", "a**", "+", "a{2,1}", "a{1001}", "[z-a]", "[[:nope:]]", "\\", "[a"])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        "(a|aa)+$b",
        "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)b",
        "((((a*)*)*)*)*b",
        "((a{100}){100}){100}",
        "(" * 1000,
        "(a?){500}a{500}",
        "(.{0,30}){30}b",
        "a" * 100_000,
    ],
)
def test_no_expression_takes_long(pattern: str) -> None:
    """Processor time of this thread, so that a busy machine does not decide."""
    names = ["a" * n for n in range(1, 500)]
    names += [name[:-1] + "c" for name in names]
    start = time.thread_time()
    compile_pattern.cache_clear()
    with contextlib.suppress(BadPattern):
        assert not any(map(compile_pattern(pattern), names[:200] + names[499:]))
    assert time.thread_time() - start < 3
