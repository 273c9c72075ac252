"""The provenance record of a result, in the form that a person gives and in that of the start document."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.parts import Code, InputFile, Parent
from analysis_store.provenance.records import build, kind, known
from analysis_store.provenance.sources import uid_of
from analysis_store.provenance.texts import text_or_none

if TYPE_CHECKING:
    from analysis_store.documents import Document

__all__ = ["ORIGINS", "Code", "InputFile", "Parent", "Provenance"]

ORIGINS = ("simulation", "synthetic", "manual")
"""Possible origins of data that have no input."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Provenance:
    """Provenance of a result.

    Parameters
    ----------
    parents : iterable
        Uids of runs, runs themselves, or `Parent`.
    files : iterable
        Paths of input files.
    code : Code or mapping, optional
        The code; missing parts are captured from the caller.
    parameters : mapping, optional
        The parameters of the analysis: any JSON values.
    environment : mapping, optional
        ``digest``, ``python`` and ``platform``; recorded automatically.
    origin : {"simulation", "synthetic", "manual"}, optional
        For data that have no input; needs a ``note``.
    note : str, optional
        Description in words.
    waiver : str, optional
        Reason why something is missing, if the policy of the store allows it.

    Raises
    ------
    ProvenanceError
        A part is invalid.

    Examples
    --------
    >>> Provenance(origin="simulation", note="FEFF 9 of Fe2O3", parameters={"scf": 5.0}).to_document()
    {'parents': [], 'files': [], 'parameters': {'scf': 5.0}, 'origin': 'simulation', 'note': 'FEFF 9 of Fe2O3'}
    """

    parents: tuple[Parent, ...] = ()
    files: tuple[InputFile, ...] = ()
    code: Code | None = None
    parameters: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    origin: str | None = None
    note: str | None = None
    waiver: str | None = None

    def __init__(
        self,
        parents: Iterable[object] | object = (),
        files: Iterable[object] | object = (),
        *,
        code: Code | Mapping[str, object] | None = None,
        parameters: Mapping[str, object] | None = None,
        origin: str | None = None,
        note: str | None = None,
        waiver: str | None = None,
        environment: Mapping[str, object] | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "parents", tuple(map(Parent.of, _several(parents))))
        put(self, "files", tuple(map(InputFile.of, _several(files))))
        put(self, "code", None if code is None else Code.of(code))
        for name, value in (("parameters", parameters), ("environment", environment)):
            put(self, name, _mapping(name, value))
        for name, text in (("origin", origin), ("note", note), ("waiver", waiver)):
            put(self, name, _text(name, text))

    @classmethod
    def capture(cls, obj: object = None) -> Provenance:
        """Return the automatic part: the code of a function, class or module, or of the caller.

        Raises
        ------
        ProvenanceError
            ``obj`` has another type, or its code is unknown.
        """
        from analysis_store.provenance.code.capture import capture_code
        from analysis_store.provenance.code.environment import environment

        found = capture_code(obj)
        if found.code is None:
            raise ProvenanceError(f"code: {found.trouble}. Give Provenance(code=Code(name=..., version=..., url=...)).")
        return cls(code=found.code, environment=environment().to_document())

    @classmethod
    def parse(cls, value: object) -> Provenance:
        """Return the `Provenance` of a `Provenance`, a mapping of its parameters, or None.

        Raises
        ------
        ProvenanceError
            An unknown key, or an invalid part.
        """
        if isinstance(value, cls):
            return value
        if value is None:
            return NOTHING
        if isinstance(value, Mapping):
            return build(cls, value, "provenance")
        raise ProvenanceError(f"provenance: Got {kind(value)}; expected Provenance(...) or a mapping of its parts.")

    from_document = parse

    def to_document(self) -> Document:
        """Return the provenance for the start document; other parts than parents and files only if given."""
        return {
            "parents": [parent.to_document() for parent in self.parents],
            "files": [file.to_document() for file in self.files],
            **({} if self.code is None else {"code": self.code.to_document()}),
            **known(self, ("parameters", "environment", "origin", "note", "waiver")),
        }

    def __repr__(self) -> str:
        shown = [(entry.name, getattr(self, entry.name)) for entry in fields(self)]
        return f"Provenance({', '.join(f'{name}={value!r}' for name, value in shown if value not in (None, ()))})"


def _several(value: Any) -> Iterable[object]:
    """Return a collection unchanged, and a single uid, path, run or record as a collection of one."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (str, bytes, Mapping, os.PathLike, Parent, InputFile)) or uid_of(value) is not None:
        return (value,)
    if isinstance(value, Iterable):
        return value
    return () if value is None else (value,)


def _mapping(name: str, value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping | None):
        return None if value is None else dict(value)
    raise ProvenanceError(f"{name}: Got {kind(value)}; expected a mapping.")


def _text(name: str, value: Any) -> str | None:
    if isinstance(value, str | None):
        return text_or_none(value)
    raise ProvenanceError(f"{name}: Got {kind(value)}; expected text.")


NOTHING = Provenance()
"""Empty provenance."""


ProvenanceLike: TypeAlias = Provenance | Mapping[str, object]
"""A `Provenance`, or a mapping of its parameters."""
