"""The parts of provenance: a parent, an input file, the code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.records import build, check, kind, known
from analysis_store.provenance.sources import home_of, uid_of
from analysis_store.provenance.texts import text_or_none

if TYPE_CHECKING:
    from analysis_store.documents import Document


@dataclass(frozen=True, slots=True)
class Parent:
    """A run that the result came from.

    A parent with a ``catalog`` is declared external and recorded without lookup.

    Examples
    --------
    >>> Parent("6f0e7d3a-93a5-4b5e-8e0c-2f2b1f3f7f2e", catalog="csx").to_document()
    {'uid': '6f0e7d3a-93a5-4b5e-8e0c-2f2b1f3f7f2e', 'catalog': 'csx', 'resolved': False}
    """

    uid: str
    """Uid of its start document."""

    catalog: str | None = None
    """Catalog of the run: declared, or where it was found."""

    resolved: bool = False
    """True if the run was found there."""

    seen: bool = field(default=False, repr=False, compare=False)
    """True if the caller holds the run itself, so that no lookup is needed. Not part of the document."""

    def __post_init__(self) -> None:
        check(self, "parents", ("uid",), str, "text")
        check(self, "parents", ("catalog",), str | None, "the name of a catalog")
        check(self, "parents", ("resolved",), bool, "true or false")
        _drop_blank(self, ("catalog",))
        if not self.uid.strip():
            raise ProvenanceError("parents: the uid is empty; expected the uid of a run.")

    @classmethod
    def of(cls, value: object) -> Parent:
        """Return the parent for a uid, a run, a mapping or a `Parent`.

        Raises
        ------
        ProvenanceError
            The value does not name a parent.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, dict):  # a run is a mapping of its streams, too
            return build(cls, value, "a parent", hint='; of a start document give its ["uid"]')
        uid = uid_of(value)
        if uid is None:
            raise ProvenanceError(
                f"parents: Got {kind(value)}; expected the uid of a run, a run, or Parent(uid, catalog=...)."
            )
        return cls(uid, home_of(value), resolved=True, seen=True)

    def to_document(self) -> Document:
        """Return the parent for the start document; ``catalog`` is left out if it is unknown."""
        known = {} if self.catalog is None else {"catalog": self.catalog}
        return {"uid": self.uid, **known, "resolved": self.resolved}


@dataclass(frozen=True, slots=True)
class InputFile:
    """An input file of the result.

    A path alone is hashed here; a digest states the content at another time, maybe on another machine.
    """

    path: str
    """Absolute."""

    size: int | None = None
    """In bytes."""

    mtime: float | None = None
    """Modification time: seconds since 1970 (UTC)."""

    digest: str | None = None
    """Digest of its bytes: ``blake3:<hex>``."""

    hashed: bool | None = None
    """True if the store hashed the file itself, False if the digest was only stated, None if not recorded."""

    def __post_init__(self) -> None:
        check(self, "files", ("path",), str, "text")
        check(self, "files", ("size",), int | None, "a number of bytes")
        check(self, "files", ("mtime",), int | float | None, "seconds since 1970")
        check(self, "files", ("digest",), str | None, "text like 'blake3:<hex>'")
        check(self, "files", ("hashed",), bool | None, "true or false")
        _drop_blank(self, ("digest",))
        if not self.path or "\0" in self.path:
            raise ProvenanceError(f"files: Got the path {self.path!r}; expected the path of an input file.")

    @classmethod
    def of(cls, value: object) -> InputFile:
        """Return the file for a path, a mapping or an `InputFile`.

        Raises
        ------
        ProvenanceError
            The value does not name a file.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return build(cls, value, "a file")
        try:
            return cls(os.fsdecode(value))  # type: ignore[arg-type]  # what else comes is the error's business
        except TypeError as error:
            raise ProvenanceError(f"files: Got {kind(value)}; expected the path of an input file.") from error

    def to_document(self) -> Document:
        """Return the file for the start document; unknown parts are left out."""
        return known(self, [entry.name for entry in fields(self)])


@dataclass(frozen=True, slots=True)
class Code:
    """The code that produced the result.

    Examples
    --------
    >>> Code("larch", version="0.9.80", url="https://github.com/xraypy/xraylarch").to_document()
    {'name': 'larch', 'version': '0.9.80', 'url': 'https://github.com/xraypy/xraylarch'}
    """

    name: str | None = None
    """Name of the distribution, the repository or the script."""

    version: str | None = None
    """As installed."""

    commit: str | None = None
    """Full commit of its checkout."""

    url: str | None = None
    """Url of its source."""

    dirty: bool | None = None
    """True if the checkout had uncommitted changes; None without a checkout."""

    entry_point: str | None = None
    """``module:function`` or ``file:function`` that produced the result."""

    digest: str | None = None
    """``blake3:<hex>`` of the part of the code that is kept with the run: its `patch` or its `source`."""

    stated: tuple[str, ...] | None = None
    """Fields that the caller stated and the store did not find itself; None if not recorded."""

    found: tuple[tuple[str, object], ...] = field(default=(), repr=False, compare=False)
    """Values that the store found itself, by field; they determine `stated`. Not part of the document."""

    patch: str | None = field(default=None, repr=False, compare=False)
    """Uncommitted changes, as ``git apply`` takes them. In the run file, not in the document."""

    source: str | None = field(default=None, repr=False, compare=False)
    """Text of code in no package or repository. In the run file, not in the document."""

    changed: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """Uncommitted files of the checkout. Not part of the document."""

    def __post_init__(self) -> None:
        check(self, "code", _TEXTS, str | None, "text")
        check(self, "code", ("dirty",), bool | None, "true or false")
        _drop_blank(self, _TEXTS)
        if self.stated is not None:
            object.__setattr__(self, "stated", _names(self.stated))

    def marked(self) -> Code:
        """Return the code with `stated` set to every field whose value is not the captured one."""
        found = dict(self.found)
        values = {name: getattr(self, name) for name in _STATABLE}
        stated = tuple(name for name, value in values.items() if value is not None and found.get(name) != value)
        return replace(self, stated=stated)

    @classmethod
    def of(cls, value: object) -> Code:
        """Return the code for a mapping or a `Code`.

        Raises
        ------
        ProvenanceError
            The value does not describe code.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return build(cls, value, "code", known=CODE_FIELDS)
        raise ProvenanceError(
            f"code: Got {kind(value)}; expected Code(name=..., version=..., url=...) or such a mapping. "
            "For the code of a function, class or module use Provenance.capture(it)."
        )

    def to_document(self) -> Document:
        """Return the code for the start document; unknown parts are left out."""
        document = known(self, CODE_FIELDS)
        return document if self.stated is None else document | {"stated": list(self.stated)}


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ProvenanceError(f"code: Got stated={value!r:.60}; expected a list of names.")


def _drop_blank(record: object, names: Iterable[str]) -> None:
    """Replace blank texts by None, so that they do not pass for a name or a reason."""
    for name in names:
        object.__setattr__(record, name, text_or_none(getattr(record, name)))


_TEXTS = ("name", "version", "commit", "url", "entry_point", "digest")
_STATABLE = ("name", "version", "commit", "url", "dirty", "entry_point", "digest")
CODE_FIELDS = (*_STATABLE, "stated")
