"""Tokens and passwords lie in files of their own and are read at each connect, so that they can be renewed."""

from pathlib import Path

from gateway.model.errors import NotConnected


def secret(file: Path | None, what: str) -> str:
    """The one line of a file; empty without a file. Raises NotConnected."""
    if file is None:
        return ""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise NotConnected(f"the {what} file {file} cannot be read: {error}") from None
