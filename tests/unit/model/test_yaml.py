"""The YAML reader: limits, positions, duplicates, merges."""

import textwrap
import time
from typing import Any

import pytest

from gateway.model import jsontext, yaml
from gateway.model.errors import ConfigError
from gateway.model.scalar import Plain


def read(text: str | bytes) -> Any:
    document = yaml.read(text if isinstance(text, bytes) else textwrap.dedent(text), "x.yaml")
    assert not document.problems
    return document.value


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        yaml.read(text, "x.yaml")
    return str(caught.value)


def test_plain_scalars_keep_their_text_and_quoted_ones_are_text() -> None:
    value = read("a: 0.0\nb: '0.0'\nc: ~\nd:\ne: \"null\"\nf: |\n  x\n")
    assert value == {"a": "0.0", "b": "0.0", "c": None, "d": None, "e": "null", "f": "x\n"}
    assert type(value["a"]) is Plain
    assert type(value["b"]) is str


def test_keys_are_text_whatever_they_look_like() -> None:
    assert read("{0: a, 1.50: b, true: c, yes: d, ~: e, 'null': f}") == {
        "0": "a", "1.50": "b", "true": "c", "yes": "d", "": "e", "null": "f",
    }  # fmt: skip


def test_positions() -> None:
    document = yaml.read("a:\n  - b: 1\n    c:\n      d: 2\n  -\n    e: 3\n", "x.yaml")
    lines = {(): 1, ("a",): 1, ("a", 0, "b"): 2, ("a", 0, "c", "d"): 4, ("a", 1, "e"): 6, ("a", 0, "zzz", "y"): 2}
    assert {path: document.line(path) for path in lines} == lines
    assert document.line(("a", 7)) == 1


def test_duplicate_keys_name_both_lines_and_all_are_found() -> None:
    document = yaml.read("a: 1\nb:\n  - c: 1\n    c: 2\na: 2\n", "x.yaml")
    assert [str(problem) for problem in document.problems] == [
        "x.yaml:4: b[0].c: the key 'c' stands twice: lines 3 and 4; remove one",
        "x.yaml:5: a: the key 'a' stands twice: lines 1 and 5; remove one",
    ]


def test_merge_keys() -> None:
    value = read("""
        base: &base {a: 1, b: 2}
        other: &other {b: 3, c: 4}
        one: {<<: *base, b: 9}
        two: {b: 9, <<: [*base, *other]}
        three: {'<<': kept}
    """)
    assert value["one"] == {"a": "1", "b": "9"}
    assert value["two"] == {"a": "1", "b": "9", "c": "4"}
    assert value["three"] == {"<<": "kept"}


def test_merging_what_is_no_mapping_is_an_error() -> None:
    document = yaml.read("a:\n  <<: 5\n", "x.yaml")
    assert "x.yaml:2: a.<<: << wants a mapping" in str(document.problems[0])


def test_only_the_first_document_is_read_and_that_is_said() -> None:
    document = yaml.read("a: 1\n---\nb: 2\n", "x.yaml")
    assert document.value == {"a": "1"}
    assert [(p.severity, p.line) for p in document.problems] == [("warning", 2)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n...\n"])
def test_an_empty_file_is_nothing(text: str) -> None:
    assert read(text) is None


def test_a_byte_order_mark_is_dropped() -> None:
    assert read(b"\xef\xbb\xbfa: 1") == {"a": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2\nb: 3\n", "x.yaml:2: not readable as YAML"),
        ("a: 1\n\tb: 2\n", "x.yaml:2: not readable as YAML"),
        ("a: *b\n", "x.yaml:1: the alias *b stands for nothing"),
        ("a: &b [*b]\n", "x.yaml:1: the alias *b stands inside what it stands for"),
        ("? [a]\n: 1\n", "x.yaml:1: a list or a mapping cannot be a key"),
        (b"a: 1\nb: \xff\n", "x.yaml:2: byte 0xff is not UTF-8"),
        ("a: 1\nb: '\ud800'", "x.yaml:2: text with half a surrogate pair"),
        (b"a: 1\nb: \x07\n", "x.yaml:2: the character U+0007 is not allowed"),
        ("a:\n  " + "[" * 5000, "x.yaml:2: more than 100 levels"),
    ],
)
def test_what_cannot_be_read_names_file_and_line(text: str | bytes, expected: str) -> None:
    assert expected in refusal(text)


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "unfold into far too many values" in refusal("\n".join(lines))


@pytest.mark.parametrize(
    "bomb", ["[&a {long}, {aliases}]", "[&a [{long}], {aliases}]", "[&a {{{long}: b}}, {aliases}]"]
)
def test_aliases_of_a_long_text_count_by_its_length(bomb: str) -> None:
    text = bomb.format(long="x" * 1000, aliases=", ".join(["*a"] * 20_000))
    assert "unfold into far too many values" in refusal(text)


def test_a_few_aliases_are_fine() -> None:
    value = read("a: &a {k: v}\nb: [*a, *a]\nc: &c 5\nd: *c\n*c : key\n")
    assert value == {"a": {"k": "v"}, "b": [{"k": "v"}] * 2, "c": "5", "d": "5", "5": "key"}


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [id]", "!mine x", "!!binary aGk=", "!!set {a}"])
def test_custom_tags_are_refused(tag: str) -> None:
    document = yaml.read(f"a: {tag}\n", "x.yaml")
    assert "is not allowed" in str(document.problems[0])
    assert document.problems[0].line == 1


def test_the_core_tags_mean_what_they_say() -> None:
    assert read("a: !!str 5\nb: !!int 5\nc: !!float 5\nd: !!null ''\ne: !!map {x: 1}\nf: ! 6") == {
        "a": "5", "b": "5", "c": "5", "d": None, "e": {"x": "1"}, "f": "6",
    }  # fmt: skip
    document = yaml.read("a: !!int abc", "x.yaml")
    assert "is not a YAML int" in str(document.problems[0])


def test_a_file_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.model.document.MAX_BYTES", 10)
    assert "at most 10 are read" in refusal("a: 1234567890")


def test_too_many_values_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.model.yaml.MAX_NODES", 50)
    assert "x.yaml:1: more than 50 values" in refusal("[" + "a, " * 100 + "]")


def test_json_keeps_the_text_of_numbers_and_finds_lines() -> None:
    document = jsontext.read('{\n"a": 10.10,\n "b": [1,\n {"c": "x"}]}', "x.json")
    assert document.value == {"a": document.value["a"], "b": [1, {"c": "x"}]}
    assert document.value["a"].text == "10.10"
    assert document.line(("b", 1, "c")) == 4


def test_json_that_is_no_yaml_names_no_line_rather_than_a_wrong_one() -> None:
    document = jsontext.read('{\n"a": "\\ud83d\\ude00",\n"b": 1}', "x.json")
    assert document.value == {"a": "😀", "b": 1}
    assert document.problem(["b"], "wrong").line == 0


def test_a_key_twice_among_many_in_json_is_found_quickly() -> None:
    text = "{" + "".join(f'"k{i}": 1, ' for i in range(20_000)) + '"k19999": 2}'
    start = time.thread_time()
    with pytest.raises(ConfigError, match="'k19999' stands twice"):
        jsontext.read(text, "x.json")
    assert time.thread_time() - start < 2, "measured 0.01 s; looking at all pairs for each took 20 s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,\n}', "x.json:2: not readable as JSON"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ('{"a": ["\\ud800"]}', "half a surrogate pair"),
        ('{"a": 1, "b": {}, "a": 2}', "the key 'a' stands twice"),
        ("[" * 100_000, "levels"),
        ('{"a": ' + "9" * 5000 + "}", "not readable as JSON"),
    ],
)
def test_json_that_cannot_be_read(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        jsontext.read(text, "x.json")
    assert expected in str(caught.value)
