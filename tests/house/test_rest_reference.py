"""The REST reference page is what the program serves."""

from gateway.api import reference


def test_the_rest_reference_is_current() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.page(), "run: python -m gateway.api.reference"


def test_check_notices_an_old_page(monkeypatch, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(reference, "PAGE", tmp_path / "rest.md")
    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    assert "not current" in capsys.readouterr().err
