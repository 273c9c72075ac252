"""Urls that may be published: without credentials, and with the name of this machine for local paths."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import quote


def public_url(url: str) -> str:
    """Return a url without user, password and token, since many people read documents.

    The user of an ssh address (``ssh://git@host``, ``git@host:path``) is part of the address and kept.

    Examples
    --------
    >>> public_url("https://me:secret@example.org/code.git?private_token=secret")
    'https://example.org/code.git'
    """
    url = url.strip()
    if "://" not in url:
        return url
    scheme, _, rest = url.partition("://")
    place, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    user, at, host = place.rpartition("@")
    kept = user.partition(":")[0] + at if "ssh" in scheme else ""
    return f"{scheme}://{kept}{host}{slash}{path}"


def file_url(path: str | Path) -> str:
    """Return the url of a folder or file on this machine with the machine's name: ``file://host/path``."""
    return f"file://{socket.gethostname()}{quote(Path(path).absolute().as_posix())}"
