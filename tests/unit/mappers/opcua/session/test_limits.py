"""How much goes into one request."""

from mappers.opcua.session.limits import USUAL, Limits


def test_nobody_says_anything() -> None:
    assert Limits(None).of("read") == USUAL


def test_the_server_and_the_device_file_say_the_least() -> None:
    limits = Limits(50)
    limits.take({"read": 100, "write": 20, "browse": 0, "call": None, "translate": "many"})
    assert [limits.of(what) for what in ("read", "write", "browse", "call", "translate")] == [50, 20, 50, 50, 50]
    free = Limits(None)
    free.take({"read": 100_000, "write": 0})
    assert (free.of("read"), free.of("write")) == (100_000, USUAL)


def test_what_was_too_much_is_not_tried_again() -> None:
    limits = Limits(None)
    limits.halve("read", 700)
    assert limits.of("read") == 350
    limits.halve("read", 1)
    assert limits.of("read") == 1
    assert limits.of("write") == USUAL
