"""What the documentation says can be done, can be done: commands parse, linked files exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "mappers").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`southgate ([^`]+)`")


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(text: str) -> Iterator[str]:
    """Command lines of ours in fenced blocks and in running text, without comments, prompts and placeholders."""
    for _, block in FENCE.findall(text):
        for line in block.splitlines():
            found = re.match(r"(?:\$ )?(?:\.venv/bin/)?southgate (.*)", line.strip())
            if found and "…" not in line and "[OPTIONS]" not in line and not found[1].partition(" ")[0].endswith(":"):
                yield re.split(r"\s{2,}|\s#|\s[|&>]", found[1] + " ")[0]
    for line in INLINE.findall(FENCE.sub("", text)):
        if re.fullmatch(r"[a-z]+( [^A-Z…|]*)?", line):
            yield line.partition(" > ")[0]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_parses(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in commands(page.read_text("utf-8")):
        words = shlex.split(line)
        if words[0] == "--version":
            continue
        assert words[0] in cli.COMMANDS, line
        if len(words) == 1 or "--help" in words:
            continue
        parser, _ = cli.parser_of(words[0])
        try:
            parser.parse_args(words[1:])
        except SystemExit:
            pytest.fail(f"southgate {line}: {capsys.readouterr().err}")


def test_commands_are_found_and_wrong_ones_too() -> None:
    text = (
        "```sh\nsouthgate plan a.yaml --rtu   # why\n$ .venv/bin/southgate check | less\n```\nthen `southgate apply`."
    )
    assert list(commands(text)) == ["plan a.yaml --rtu", "check", "apply"]
    assert list(commands("`southgate nosuch`")) == ["nosuch"]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_linked_file_exists(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """As Markdown viewers make them from headings."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    open_pages = [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        if page.suffix == ".md":
            links = LINK.findall(page.read_text("utf-8"))
            open_pages += [(page.parent / link.partition("#")[0]).resolve() for link in links if ":" not in link]
    lost = [ids(p) for p in PAGES if p not in seen and p.parent != ROOT and "decisions" not in p.parts]
    assert lost == []
