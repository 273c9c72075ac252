"""Automatic capture of the code of a result: its distribution, checkout, script, or interactive input."""

from __future__ import annotations

import platform
import sys
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.code.call_site import Site, calling_site, site_of
from analysis_store.provenance.code.checkout import Checkout, checkout_of
from analysis_store.provenance.code.installed import Installed, installed, is_standard
from analysis_store.provenance.code.interactive_source import cell, typed_in
from analysis_store.provenance.code.patch import patch_of
from analysis_store.provenance.parts import Code
from analysis_store.provenance.reach import is_file
from analysis_store.provenance.texts import file_text, text_digest
from analysis_store.provenance.unchanged import remembered
from analysis_store.provenance.urls import public_url

PYTHON = "https://www.python.org"


@dataclass(frozen=True, slots=True)
class Found:
    """Result of a search for the code."""

    code: Code | None
    """None if nothing is known."""

    trouble: str | None = None
    """Reason why the code is unknown or incompletely known."""


def capture_code(obj: object = None, *, patch: bool = True) -> Found:
    """Return the code of a function, class or module; by default of the caller outside this package.

    Parameters
    ----------
    obj : function, class or module, optional
        Object whose code to find.
    patch : bool
        Read the uncommitted changes.

    Raises
    ------
    ProvenanceError
        ``obj`` has no code.
    """
    found = _captured(calling_site() if obj is None else site_of(obj), patch=patch)
    return found if found.code is None else Found(_as_found(found.code), found.trouble)


def _as_found(code: Code) -> Code:
    """Return code that records the values found, so that later changes of it count as stated by the caller."""
    code = replace(code, url=code.url and public_url(code.url), found=())
    return replace(code, found=tuple((entry.name, getattr(code, entry.name)) for entry in fields(code)))


def _captured(site: Site, *, patch: bool) -> Found:
    path = _path(site)
    if path is not None:
        return _of_file(site, path, patch=patch)
    if _is_python(site):
        version = platform.python_version()
        return Found(Code("python", version=version, url=PYTHON, entry_point=site.entry_point("python")))
    return _of_typed(site)


def _path(site: Site) -> str | None:
    """Return the source file of a code location; None if it is interactive, or generated outside any module."""
    if cell(site.file) is not None:
        return None
    return next((real for real in map(_real, (site.file, site.home)) if real is not None), None)


def _real(file: str | None) -> str | None:
    """Return an absolute path with its links resolved, if it is the path of a file."""
    if file is None:
        return None
    if file not in _reals:
        path = Path(file)
        _reals[file] = str(path.resolve()) if path.is_absolute() and is_file(path) else None
    return _reals[file]


def _is_python(site: Site) -> bool:
    return site.file == "<built-in>" and site.module.partition(".")[0] in sys.stdlib_module_names


_reals: dict[str, str | None] = {}
_installed: dict[str, Installed | None] = {}
_warned: set[str] = set()


def _of_file(site: Site, path: str, *, patch: bool) -> Found:
    if is_standard(path):
        return Found(Code("python", version=platform.python_version(), url=PYTHON, entry_point=site.entry_point("")))
    if path not in _installed:  # once per file: the running code was installed when it was imported
        _installed[path] = installed(path)
    home, point = _installed[path], site.entry_point(Path(path).name)
    if home is not None and not home.in_place:
        return Found(Code(home.name, home.version, home.commit, home.url, entry_point=point))
    try:
        checkout = checkout_of(path)
    except ProvenanceError as error:
        _warn(path, str(error))
        return Found(_loose(path, home, point), str(error))
    if checkout is None:
        return Found(_loose(path, home, point))
    return _of_checkout(checkout, home, point, patch=patch)


def _of_checkout(checkout: Checkout, home: Installed | None, point: str, *, patch: bool) -> Found:
    url = checkout.url
    if home is not None and home.url is not None and url.startswith("file:"):
        url = home.url
    text, trouble = None, None
    if patch and checkout.uncommitted:
        try:
            text = patch_of(checkout)
        except ProvenanceError as error:
            trouble = str(error)
    code = Code(
        checkout.name if home is None else home.name,
        None if home is None else home.version,
        checkout.commit,
        url,
        dirty=bool(checkout.uncommitted),
        entry_point=point,
        digest=None if text is None else text_digest(text),
        patch=text,
        changed=checkout.uncommitted,
    )
    return Found(code, trouble)


def _loose(path: str, home: Installed | None, point: str) -> Code:
    """Return code that is known only by its text, which is kept with the run; its digest replaces the commit."""
    source, digest = _text_of(path, Path(path).stat())
    known = Code(Path(path).stem) if home is None else Code(home.name, home.version, url=home.url)
    return Code(known.name, known.version, url=known.url, entry_point=point, digest=digest, source=source)


@remembered
def _text_of(path: str) -> tuple[str, str]:
    """Return the text of a source file and its digest."""
    text = file_text(path)
    return text, text_digest(text)


def _of_typed(site: Site) -> Found:
    typed = typed_in(site.file)
    if typed is None:
        where = f"{site.module} ({site.file})"
        return Found(None, f"the source text of {where} is unknown, since it is not in a file")
    point = site.entry_point(typed.name)
    return Found(Code(typed.name, entry_point=point, digest=typed.digest, source=typed.source))


def _warn(path: str, reason: str) -> None:
    """Warn once per file that its commit is unknown, since the record cannot be corrected later."""
    if path not in _warned:
        _warned.add(path)
        text = f"The commit of {path} is unknown: {reason}. Its source text is kept with the result instead."
        warnings.warn(text, UserWarning, stacklevel=2)
