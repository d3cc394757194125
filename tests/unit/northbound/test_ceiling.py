"""A message at which the broker hangs up is set aside at last; everything else is sent for ever."""

from gateway.northbound.ceiling import HANG_UPS, LARGEST, SURE, TOO_LARGE, Ceiling
from gateway.northbound.delivery import Outgoing

LARGE = Outgoing("t", b"x" * (SURE + 1))


def test_the_same_large_message_at_every_hang_up_is_too_large() -> None:
    ceiling = Ceiling()
    assert [ceiling.hung_up(LARGE, 0) for _ in range(HANG_UPS)] == [False] * (HANG_UPS - 1) + [True]
    ceiling.opened(LARGEST)
    assert ceiling.size == SURE
    ceiling.opened(LARGEST)
    assert ceiling.size == LARGEST, "a flapping line must not shut images out for good"


def test_what_every_broker_takes_and_changing_messages_are_no_reason() -> None:
    ceiling = Ceiling()
    small = Outgoing("t", b"x" * SURE)
    assert not any(ceiling.hung_up(one, TOO_LARGE) for one in [small, None] * HANG_UPS)
    assert not any(ceiling.hung_up(Outgoing("t", LARGE.payload), 0) for _ in range(2 * HANG_UPS))


def test_a_broker_that_says_why_is_believed_at_once() -> None:
    ceiling = Ceiling()
    assert ceiling.hung_up(LARGE, TOO_LARGE)
