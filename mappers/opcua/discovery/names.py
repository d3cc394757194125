"""Names for people out of browse paths: short, readable, unique, and the same at the next discovery."""

import re
from collections.abc import Iterable, Sequence

MOST = 120
"""Characters of a name."""
Path = tuple[str, ...]


def slug(text: str) -> str:
    """Letters and digits of any script, dots, dashes and underscores: good in topics, URLs and regular expressions."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_.-")


def common(paths: Iterable[Path]) -> int:
    """Names at the beginning that all of these paths share, but for their last."""
    shared: Path | None = None
    for path in paths:
        above = path[:-1]
        shared = above if shared is None else shared
        while above[: len(shared)] != shared:
            shared = shared[:-1]
    return len(shared or ())


class Names:
    """Gives each path a name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, path: Sequence[str], else_: str) -> str:
        """`Axis1.Speed`; with a number behind where somebody has it already. `else_`: where nothing is left of it."""
        words = [word for word in map(slug, path) if word] or [else_]
        while len(words) > 1 and len(".".join(words)) > MOST:
            words.pop(0)
        base = name = ".".join(words)[:MOST].strip("_.-")
        number = 2
        while name.casefold() in self._taken:
            name, number = f"{base}-{number}", number + 1
        self._taken.add(name.casefold())
        return name
