"""What holds for every command: help, wrong use, exit codes, colours, JSON."""

import io
import sys

import pytest

from gateway import cli
from gateway.cli.output import Output
from gateway.model.errors import ConfigError, DeviceError, NoAnswer, NotConnected, Problem
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_shows_examples_and_every_option(name: str, southgate: Run) -> None:
    ran = southgate(name, "--help")
    assert ran.code == 0
    assert "examples:\n  southgate " + name in ran.out
    assert "--json" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_examples_parse(name: str) -> None:
    _, module = cli.parser_of(name)
    own = [line for line in module.EXAMPLES.splitlines() if line.strip().startswith(f"southgate {name}")]
    assert own


def test_without_a_command_it_shows_them_all(southgate: Run) -> None:
    ran = southgate()
    assert ran.code == 2
    assert all(f"\n    {name}" in ran.out for name in cli.COMMANDS)


def test_version(southgate: Run) -> None:
    ran = southgate("--version")
    assert ran.code == 0
    assert ran.out.startswith("southgate ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch"], "invalid choice: 'nosuch'"),
        (["plan"], "required: FILE|FOLDER"),
        (["plan", "xy-md02", "--interval", "soon"], "'soon' is not a duration"),
        (["plan", "xy-md02", "--interval", "1us"], "1us: an interval is 1ms or longer"),
        (["plan", "xy-md02", "--answer-ms", "-1"], "a number of milliseconds was expected"),
        (["plan", "xy-md02", "--answer-ms", "nan"], "a number of milliseconds was expected"),
        (["read", "meter"], "required: name"),
        (["run", "--log", "loud"], "invalid choice: 'loud'"),
    ],
)
def test_wrong_use_is_2_and_told_on_standard_error(arguments: list[str], said: str, southgate: Run) -> None:
    ran = southgate(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError([Problem("gateway.name", "is wrong", "gateway.yaml", 3)]), 2),
        (NotConnected("nobody there"), 3),
        (NoAnswer("unit 7 is silent"), 3),
        (DeviceError("2", "illegal data address", "FC3 100"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(error: BaseException, code: int, southgate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr("gateway.cli.check.run", fail)
    ran = southgate("check")
    assert ran.code == code
    assert ran.out == ""
    expected = {2: "gateway.yaml:3: error: gateway.name: is wrong\n", 130: ""}
    assert ran.err == expected.get(code, f"error: {error}\n")


def test_a_mistake_of_ours_is_not_hidden(southgate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise ExceptionGroup("tasks", [BrokenPipeError(), ZeroDivisionError()])

    monkeypatch.setattr("gateway.cli.check.run", fail)
    with pytest.raises(ExceptionGroup):
        southgate("check")


def output(monkeypatch: pytest.MonkeyPatch, terminal: bool, json: bool = False) -> tuple[Output, io.StringIO]:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    return Output(json), stream


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    on, _ = output(monkeypatch, terminal=True)
    assert on.paint("good", "yes") == "\x1b[32myes\x1b[0m"
    off, _ = output(monkeypatch, terminal=False)
    assert off.paint("good", "yes") == "yes"
    monkeypatch.setenv("NO_COLOR", "1")
    none, _ = output(monkeypatch, terminal=True)
    assert none.paint("good", "yes") == "yes"


def test_errors_are_coloured_only_where_they_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    problems = [Problem("a", "is wrong", "x.yaml", 1), Problem("", "is odd", severity="warning")]
    Output().problems(problems)
    assert capsys.readouterr().err == "x.yaml:1: error: a: is wrong\nwarning: is odd\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Output().problems(problems)
    assert "\x1b[33mwarning:\x1b[0m is odd" in capsys.readouterr().err


def test_tables_and_json_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, stream = output(monkeypatch, terminal=False)
    plain.table(["NAME", "VALUE"], [["Power", 3173.16], ["Mode", "auto"], ["Current", None]])
    plain.result({"a": 1})
    assert stream.getvalue() == "NAME     VALUE\nPower    3173.16\nMode     auto\nCurrent  -\n"
    asjson, stream = output(monkeypatch, terminal=False, json=True)
    asjson.table(["NAME"], [["x"]])
    asjson.line("x")
    asjson.result({"a": "°C"})
    assert stream.getvalue() == '{"a": "°C"}\n'
