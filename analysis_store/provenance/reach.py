"""Existence of files as far as this user can see: a folder without permission hides its content.

`Path.exists` and similar methods raise `PermissionError` there, until Python 3.14.
"""

from __future__ import annotations

import os


def exists(path: str | os.PathLike[str]) -> bool:
    """Return True if this user can see anything at a path."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return True if this user can see a file at a path."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return True if this user can see a folder at a path."""
    return os.path.isdir(path)  # noqa: PTH112
