"""Source text as it is kept with a run, and its digest."""

from __future__ import annotations

from pathlib import Path

from blake3 import blake3

from analysis_store.digests import ALGORITHM


def text_digest(text: str) -> str:
    """Return ``blake3:<hex>`` of a text in UTF-8: what `digest_file` gives for a file of exactly this text."""
    return f"{ALGORITHM}:{blake3(text.encode()).hexdigest()}"


def file_text(path: str) -> str:
    """Return the text of a source file, line ends included.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    return Path(path).read_bytes().decode(errors="backslashreplace")


def text_or_none(text: str | None) -> str | None:
    """Return a text that says something, else None: one without any letter or digit is as good as none."""
    return text if text is not None and any(map(str.isalnum, text)) else None


def plain_text(text: str) -> str:
    r"""Return text that any file can hold: halves of characters, which UTF-8 has not, become ``\udNNN``."""
    return text.encode(errors="backslashreplace").decode()
