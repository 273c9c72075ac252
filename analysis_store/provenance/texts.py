"""Source text in the form kept with a run, and its digest."""

from __future__ import annotations

from pathlib import Path

from blake3 import blake3

from analysis_store.digests import ALGORITHM


def text_digest(text: str) -> str:
    """Return ``blake3:<hex>`` of a text in UTF-8, as `digest_file` does for a file with exactly this text."""
    return f"{ALGORITHM}:{blake3(text.encode()).hexdigest()}"


def file_text(path: str) -> str:
    """Return the text of a source file, including its line ends.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    return Path(path).read_bytes().decode(errors="backslashreplace")


def text_or_none(text: str | None) -> str | None:
    """Return a text, or None if it has no letter or digit."""
    return text if text is not None and any(map(str.isalnum, text)) else None


def plain_text(text: str) -> str:
    r"""Return text that any file can hold: halves of characters, which UTF-8 cannot hold, become ``\udNNN``."""
    return text.encode(errors="backslashreplace").decode()
