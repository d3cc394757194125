"""Tables as people read them."""

import pytest

from gateway.cli.output import WIDEST, Output, json_text


def test_objects_are_json_and_make_no_table_wider_than_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    alarm = {"Message": "zu heiß", "Retain": True, "Comment": "x" * 500}
    Output().table(["NAME", "VALUE", "REASON"], [["a", alarm, "r" * 300], ["b", {"X": 1.5, "On": None}, ""]])
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith('a     {"Message": "zu heiß", "Retain": true, "Comment": "xxx')
    assert first.endswith(f"x…  {'r' * 300}"), "what explains something is there to its end"
    assert len(first) == len("a     ") + WIDEST + 2 + 300
    assert second == 'b     {"X": 1.5, "On": null}'
    assert json_text(alarm).endswith("x" * 500 + '"}')
    assert json_text("zu heiß") == "zu heiß"
