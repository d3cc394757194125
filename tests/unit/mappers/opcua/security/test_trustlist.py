"""Files are the truth: whom we believe, and what was refused."""

import os
from pathlib import Path

import pytest

from gateway.model.abilities import Trusts
from gateway.model.errors import ConfigError
from gateway.model.place import Place
from mappers.opcua.security import papers
from mappers.opcua.security.own import own
from mappers.opcua.security.trustlist import MAX_OF_ONE, MAX_REFUSED, TrustList, normal
from tests.support.certificates import NOW, Recipe, key

URL, OTHER = "opc.tcp://plc:4840", "opc.tcp://10.0.0.4:4840"
SMALL = key("weak", 1024)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(data=tmp_path / "data")


@pytest.fixture
def trusts(place: Place) -> TrustList:
    return TrustList(place)


def shown(subject: str = "Press 4") -> papers.Papers:
    return papers.of(Recipe(subject=subject, key=SMALL).made())


def test_nothing_is_there_at_first_and_nothing_is_made(trusts: TrustList, place: Place) -> None:
    assert trusts.certificates() == []
    assert trusts.find(shown().der) is None
    assert not place.data.exists()
    assert isinstance(trusts, Trusts)


def test_refused_trusted_distrusted(trusts: TrustList, place: Place) -> None:
    one = shown()
    trusts.refuse(one, URL)
    refused = trusts.certificates()
    assert [(c.standing, c.thumbprint, c.shown_by) for c in refused] == [("refused", one.thumbprint, URL)]
    assert trusts.find(one.der) is None

    told = trusts.trust(one.thumbprint.lower())
    assert (told.standing, told.shown_by, told.subject) == ("trusted", URL, "CN=Press 4")
    assert Path(told.file) == place.data / "pki" / "trusted" / f"{one.thumbprint}.der"
    assert Path(told.file).read_bytes() == one.der
    kept = trusts.find(one.der)
    assert kept is not None
    assert trusts.earlier(URL) == kept
    assert trusts.refused() == []

    assert trusts.distrust(one.thumbprint).standing == "refused"
    assert trusts.find(one.der) is None
    assert [kept.endpoints for kept in trusts.refused()] == [(URL,)]


def test_whole_certificates_are_compared(trusts: TrustList, place: Place) -> None:
    """A file of a thumbprint's name proves nothing."""
    one, two = shown("one"), shown("two")
    folder = place.data / "pki" / "trusted"
    folder.mkdir(parents=True)
    (folder / f"{one.thumbprint}.der").write_bytes(two.der)
    assert trusts.find(one.der) is None
    assert trusts.find(two.der) is not None


def test_people_may_put_files_there(trusts: TrustList, place: Place) -> None:
    folder = place.data / "pki" / "trusted"
    folder.mkdir(parents=True)
    one = Recipe(key=SMALL).made()
    from cryptography.hazmat.primitives.serialization import Encoding

    (folder / "press.pem").write_bytes(one.public_bytes(Encoding.PEM))
    (folder / "wrong.der").write_text("no certificate")
    (folder / "notes.txt").write_text("no certificate, and not called one")
    kept = trusts.find(papers.of(one).der)
    assert kept is not None
    assert trusts.unreadable() == ["wrong.der"]
    trusts.showed(kept, URL)
    earlier = trusts.earlier(URL)
    assert earlier is not None
    assert earlier.file.name == "press.pem"


def test_an_endpoint_has_the_certificate_that_it_showed_last(trusts: TrustList) -> None:
    for subject in ("old", "new"):
        trusts.refuse(shown(subject), URL)
    for kept in trusts.refused():
        trusts.trust(kept.papers.thumbprint)
    for subject in ("old", "new"):
        kept = next(kept for kept in trusts.trusted() if kept.papers.subject == f"CN={subject}")
        trusts.showed(kept, URL)
        trusts.showed(kept, OTHER)
    for url in (URL, OTHER):
        earlier = trusts.earlier(url)
        assert earlier is not None
        assert earlier.papers.subject == "CN=new"


def test_what_was_proved_before_is_not_written_again(trusts: TrustList) -> None:
    trusts.refuse(shown(), URL)
    before = _state(trusts.refused()[0].file.parent)
    trusts.refuse(trusts.refused()[0].papers, URL)
    assert _state(trusts.refused()[0].file.parent) == before
    trusts.trust(trusts.refused()[0].papers.thumbprint)
    before = _state(trusts.folder)
    trusts.showed(trusts.trusted()[0], URL)
    assert _state(trusts.folder) == before


def test_what_several_endpoints_show_in_turn_is_not_written_again(trusts: TrustList) -> None:
    one = shown()
    for url in (URL, OTHER):
        trusts.refuse(one, url)
    before = _state(trusts.refused()[0].file.parent)
    for url in (URL, OTHER):
        trusts.refuse(one, url)
    assert _state(trusts.refused()[0].file.parent) == before
    assert trusts.refused()[0].endpoints == (OTHER, URL)


def test_what_is_distrusted_is_trusted_under_no_other_name(trusts: TrustList) -> None:
    one = shown()
    trusts.refuse(one, URL)
    trusts.folder.mkdir(parents=True)
    for name in ("mine.crt", "zzz.der"):
        (trusts.folder / name).write_bytes(one.der)
    trusts.trust(one.thumbprint)
    assert trusts.distrust(one.thumbprint).standing == "refused"
    assert trusts.find(one.der) is None
    assert list(trusts.folder.iterdir()) == []
    assert [kept.papers.der for kept in trusts.refused()] == [one.der]


def test_a_stranger_fills_neither_the_disk_nor_pushes_out_the_others(trusts: TrustList) -> None:
    quiet = shown("quiet")
    trusts.refuse(quiet, OTHER)
    os.utime(trusts.refused()[0].file, (1, 1))
    for number in range(MAX_OF_ONE + 3):
        trusts.refuse(shown(f"loud {number}"), URL)
    kept = [kept.papers.subject for kept in trusts.refused()]
    assert len(kept) == MAX_OF_ONE + 1
    assert {"CN=quiet", f"CN=loud {MAX_OF_ONE + 2}"} <= set(kept)
    for number in range(MAX_REFUSED + 5):
        trusts.refuse(shown("many"), f"opc.tcp://plc:{number + 1}")
    assert len(trusts.refused()) == MAX_REFUSED
    assert len(list((trusts.folder.parent / "refused").iterdir())) == 2 * MAX_REFUSED


@pytest.mark.parametrize("text", ["AB" * 20, "ab " * 20, ":".join(["aB"] * 20)])
def test_a_thumbprint_is_taken_as_people_copy_it(text: str) -> None:
    assert normal(text) == "AB" * 20


@pytest.mark.parametrize("text", ["", "AB", "../../../etc/passwd", "G" * 40, "A" * 41])
def test_what_is_no_thumbprint_is_refused(trusts: TrustList, text: str) -> None:
    for what in (trusts.trust, trusts.distrust):
        with pytest.raises(ConfigError, match="40 hex digits"):
            what(text)


def test_a_thumbprint_that_nobody_has_shown(trusts: TrustList) -> None:
    one = shown()
    trusts.refuse(one, URL)
    with pytest.raises(ConfigError, match=f"no server has shown.*{one.thumbprint}.*southgate opcua trust opc.tcp:"):
        trusts.trust("AB" * 20)
    with pytest.raises(ConfigError, match="not trusted; trusted are: none"):
        trusts.distrust("AB" * 20)
    trusts.trust(one.thumbprint)
    with pytest.raises(ConfigError, match="trusted already"):
        trusts.trust(one.thumbprint)


def test_our_own_is_among_them(trusts: TrustList, place: Place) -> None:
    made = own(place, NOW)
    told = trusts.certificates()
    assert [(c.standing, c.thumbprint, c.file) for c in told] == [("own", made.papers.thumbprint, str(made.file))]
    made.file.write_text("broken")
    with pytest.raises(ConfigError, match="our own certificate"):
        trusts.certificates()


def test_what_stands_beside_a_certificate_may_be_broken(trusts: TrustList) -> None:
    trusts.refuse(shown(), URL)
    beside = trusts.refused()[0].file.with_suffix(".json")
    for content in ("", "[]", '{"endpoints": 5}', '{"endpoints": [5, "a"]}'):
        beside.write_text(content)
        assert set(trusts.refused()[0].endpoints) <= {"a"}


def _state(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_a_folder_that_cannot_be_used_is_said(trusts: TrustList, place: Place) -> None:
    place.data.mkdir()
    (place.data / "pki").write_text("a file in the way")
    for what in (trusts.certificates, lambda: trusts.trust("AB" * 20), lambda: trusts.distrust("AB" * 20)):
        with pytest.raises(ConfigError, match=r"pki.*cannot be used"):
            what()
