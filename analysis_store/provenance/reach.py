"""What is on the disk as far as this user can see: a folder that may not be entered hides what is in it.

`Path.exists` and its like raise `PermissionError` there, until Python 3.14.
"""

from __future__ import annotations

import os


def exists(path: str | os.PathLike[str]) -> bool:
    """Return whether there is something at a path that this user can see."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a file at a path that this user can see."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a folder at a path that this user can see."""
    return os.path.isdir(path)  # noqa: PTH112
