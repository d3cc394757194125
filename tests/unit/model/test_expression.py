"""`$(…)` in texts: exact sums of numbers and names, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.expression import Expression, WrongExpression, inserted, pieces, written
from gateway.model.scalar import Plain

VALUES = {"base": 1000, "n": 3, "ct": 80.0, "third": 0.1, "on": True, "unit": "kW", "digits": "0010", "zero": 0}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$(base)", "1000"),
        ("$( base + 100 * (n - 1) )", "1200"),
        ("$(-n + +5)", "2"),
        ("$(0.1 * n)", "0.3"),  # 0.30000000000000004 in floats
        ("$(third + 0.2)", "0.3"),
        ("$(ct)", "80"),
        ("$(ct / n * 3)", "80"),
        ("$(1 / 8)", "0.125"),
        ("$(base - 1000)", "0"),
        ("$(on)", "true"),
        ("$(0x10 + 1_000)", "1016"),
        ("$(18446744073709551615)", "18446744073709551615"),
    ],
)
def test_one_that_stands_alone_is_what_a_file_would_say(text: str, found: str) -> None:
    value = inserted(text, VALUES)
    assert (value, type(value)) == (found, Plain)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$(unit)", "kW"),
        ("$(digits)", "0010"),
        ("k$(unit)/$(n)h", "kkW/3h"),
        ("Circuit $(n)", "Circuit 3"),
        ("$$(n)", "$(n)"),
        ("costs 5 $ (net)", "costs 5 $ (net)"),
        ("$(ct) A", "80 A"),
    ],
)
def test_text_and_mixtures_are_text(text: str, found: str) -> None:
    value = inserted(text, VALUES)
    assert (value, type(value)) == (found, str)


@pytest.mark.parametrize(
    "text",
    [
        "$(__import__('os').system('x'))", "$(base.__class__)", "$(open)()$(", "$(base[0])", "$(n ** n)", "$(9**9**9)",
        "$(lambda)", "$(n if n else 1)", "$(n, n)",
        "$('a' * 9)", "$(True)", "$(1j)", "$(n := 1)", "$(n < 1)", "$(n // 2)",
        "$(not n)", "$(~n)", "$(f'{n}')", "$()", "$(base", "$(base +)", "$(((1)))", "$(1 2)", "$(a\0b)", "$(n; n)",
        "$(" + "1+" * 200 + "1)",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_nothing_else_is_taken(text: str) -> None:
    """T27: an expression cannot execute code, name anything but parameters, or grow."""
    with pytest.raises(WrongExpression):
        list(pieces(text))


@pytest.mark.parametrize(("text", "why"), [("$(n / zero)", "divides by 0"), ("$(n / (n - 3))", "divides by 0")])
def test_what_comes_to_nothing(text: str, why: str) -> None:
    with pytest.raises(WrongExpression, match=why):
        inserted(text, VALUES)


def test_too_many_digits() -> None:
    with pytest.raises(WrongExpression, match="too many digits"):
        inserted("$(" + "*".join(["big"] * 40) + " / 3)", {"big": 2**63})


@pytest.mark.parametrize("text", ["$(n * 1e999)", "$(1e999)", "$(n / 1e400)", "$(n" + "*9e300" * 30 + ")"])
def test_numbers_of_too_many_digits(text: str) -> None:
    """T27: no infinity, and no whole number that Python refuses to write."""
    with pytest.raises(WrongExpression, match="too many digits"):
        inserted(text, VALUES)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@given(st.text(alphabet="$()+-*/.0123456789abn_ 'e,[]", max_size=40))
def test_any_text_gives_a_text_or_says_why_not(text: str) -> None:
    """T27: whatever stands there, it is a value or a plain refusal."""
    try:
        parts = list(pieces(text))
    except WrongExpression:
        return
    names = {name for part in parts if isinstance(part, Expression) for name in part.names}
    try:
        assert isinstance(inserted(text, dict.fromkeys(names, 2)), str)
    except WrongExpression:
        assert "/" in text or "e" in text


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(1, 1000))
def test_sums_are_exact(a: int, b: int, c: int) -> None:
    values = {"a": a, "b": b, "c": c}
    assert inserted("$(a + b * c)", values) == str(a + b * c)
    assert inserted("$((a * c) / c)", values) == str(a)


def test_written() -> None:
    assert [written(one) for one in (80.0, 0.5, 1e300, True, 7, "x")] == ["80", "0.5", "1e+300", "true", "7", "x"]
