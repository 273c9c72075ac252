"""The words of provenance: a parent, an input file, the code."""

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

    With a ``catalog`` it is declared external: it is recorded without being looked up.

    Examples
    --------
    >>> Parent("6f0e7d3a-93a5-4b5e-8e0c-2f2b1f3f7f2e", catalog="csx").to_document()
    {'uid': '6f0e7d3a-93a5-4b5e-8e0c-2f2b1f3f7f2e', 'catalog': 'csx', 'resolved': False}
    """

    uid: str
    """The uid of its start document."""

    catalog: str | None = None
    """Where the run is: declared, or where it was found."""

    resolved: bool = False
    """Whether the run was really seen there."""

    seen: bool = field(default=False, repr=False, compare=False)
    """Whether the caller held the run itself, so that nothing need be looked up. Not part of the document."""

    def __post_init__(self) -> None:
        check(self, "parents", ("uid",), str, "text")
        check(self, "parents", ("catalog",), str | None, "the name of a catalog")
        check(self, "parents", ("resolved",), bool, "true or false")
        _drop_blank(self, ("catalog",))
        if not self.uid.strip():
            raise ProvenanceError("parents: the uid is empty; expected the uid of a run.")

    @classmethod
    def of(cls, value: object) -> Parent:
        """Return the parent that a uid, a run, a mapping or a `Parent` names.

        Raises
        ------
        ProvenanceError
            It names none.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, dict):  # a run is a mapping, too: of its streams
            return build(cls, value, "a parent", hint='; of a start document give its ["uid"]')
        uid = uid_of(value)
        if uid is None:
            raise ProvenanceError(
                f"parents: {kind(value)} is no parent; expected the uid of a run, a run, or Parent(uid, catalog=...)."
            )
        return cls(uid, home_of(value), resolved=True, seen=True)

    def to_document(self) -> Document:
        """Return it as it stands in the start document; ``catalog`` is left out where it is not known."""
        known = {} if self.catalog is None else {"catalog": self.catalog}
        return {"uid": self.uid, **known, "resolved": self.resolved}


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that the result came from.

    A path alone is looked at and hashed; with a digest it is what it was when somebody hashed it, maybe elsewhere.
    """

    path: str
    """Absolute."""

    size: int | None = None
    """In bytes."""

    mtime: float | None = None
    """When it was last modified: seconds since 1970 (UTC)."""

    digest: str | None = None
    """Of its bytes: ``blake3:<hex>``."""

    hashed: bool | None = None
    """Whether the store read the file and hashed it itself; False where it was only stated, None where not recorded."""

    def __post_init__(self) -> None:
        check(self, "files", ("path",), str, "text")
        check(self, "files", ("size",), int | None, "a number of bytes")
        check(self, "files", ("mtime",), int | float | None, "seconds since 1970")
        check(self, "files", ("digest",), str | None, "text like 'blake3:<hex>'")
        check(self, "files", ("hashed",), bool | None, "true or false")
        _drop_blank(self, ("digest",))
        if not self.path or "\0" in self.path:
            raise ProvenanceError(f"files: {self.path!r} is no path; expected the path of an input file.")

    @classmethod
    def of(cls, value: object) -> InputFile:
        """Return the file that a path, a mapping or an `InputFile` names.

        Raises
        ------
        ProvenanceError
            It names none.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return build(cls, value, "a file")
        try:
            return cls(os.fsdecode(value))  # type: ignore[arg-type]  # what else comes is the error's business
        except TypeError as error:
            raise ProvenanceError(f"files: {kind(value)} is no file; expected the path of an input file.") from error

    def to_document(self) -> Document:
        """Return it as it stands in the start document; what is not known is left out."""
        return known(self, [entry.name for entry in fields(self)])


@dataclass(frozen=True, slots=True)
class Code:
    """The code that made the result.

    Examples
    --------
    >>> Code("larch", version="0.9.80", url="https://github.com/xraypy/xraylarch").to_document()
    {'name': 'larch', 'version': '0.9.80', 'url': 'https://github.com/xraypy/xraylarch'}
    """

    name: str | None = None
    """Of the distribution, the repository or the script."""

    version: str | None = None
    """As installed."""

    commit: str | None = None
    """Of its checkout, in full."""

    url: str | None = None
    """Where it can be had."""

    dirty: bool | None = None
    """Whether the checkout held changes that were not committed; None without a checkout."""

    entry_point: str | None = None
    """``module:function`` or ``file:function`` that made the result."""

    digest: str | None = None
    """``blake3:<hex>`` of what is kept of the code itself with the run: its `patch` or its `source`."""

    stated: tuple[str, ...] | None = None
    """Which of these the caller stated and the store did not find itself; None where that was not recorded."""

    found: tuple[tuple[str, object], ...] = field(default=(), repr=False, compare=False)
    """What the store found itself, by field: `stated` is judged by it. Not part of the document."""

    patch: str | None = field(default=None, repr=False, compare=False)
    """What was not committed, as ``git apply`` takes it. In the run file, not in the document."""

    source: str | None = field(default=None, repr=False, compare=False)
    """The text of code that is at home nowhere. In the run file, not in the document."""

    changed: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """The files of the checkout that are not committed. Not part of the document."""

    def __post_init__(self) -> None:
        check(self, "code", _TEXTS, str | None, "text")
        check(self, "code", ("dirty",), bool | None, "true or false")
        _drop_blank(self, _TEXTS)
        if self.stated is not None:
            object.__setattr__(self, "stated", _names(self.stated))

    def marked(self) -> Code:
        """Return the code with `stated` as it is: every field whose value is not the one that the store found."""
        found = dict(self.found)
        values = {name: getattr(self, name) for name in _STATABLE}
        stated = tuple(name for name, value in values.items() if value is not None and found.get(name) != value)
        return replace(self, stated=stated)

    @classmethod
    def of(cls, value: object) -> Code:
        """Return the code that a mapping or a `Code` describes.

        Raises
        ------
        ProvenanceError
            It describes none.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return build(cls, value, "code", known=CODE_FIELDS)
        raise ProvenanceError(
            f"code: {kind(value)} is no code; expected Code(name=..., version=..., url=...) or such a mapping. "
            "For the code of a function, class or module use Provenance.capture(it)."
        )

    def to_document(self) -> Document:
        """Return it as it stands in the start document; what is not known is left out."""
        document = known(self, CODE_FIELDS)
        return document if self.stated is None else document | {"stated": list(self.stated)}


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ProvenanceError(f"code: stated is {value!r:.60}; expected a list of names.")


def _drop_blank(record: object, names: Iterable[str]) -> None:
    """Take a blank text for what it says: nothing. It must not pass for a name or a reason."""
    for name in names:
        object.__setattr__(record, name, text_or_none(getattr(record, name)))


_TEXTS = ("name", "version", "commit", "url", "entry_point", "digest")
_STATABLE = ("name", "version", "commit", "url", "dirty", "entry_point", "digest")
CODE_FIELDS = (*_STATABLE, "stated")
