"""The identity of a result: its code, inputs and parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

from blake3 import blake3

from analysis_store.digests import ALGORITHM
from analysis_store.errors import ProcessorError
from analysis_store.processing.identity.canonical import feed

if TYPE_CHECKING:
    from analysis_store.documents import Document

FORM = 2
"""Part of every key; changing it makes all results new."""


def digest_of(value: object) -> str:
    """Return the digest of a value, ``blake3:<hex>``; see `analysis_store.processing.identity.canonical`.

    Raises
    ------
    ProcessorError
        The value contains something that has no encoding; the message has its path.
    """
    hasher = blake3()
    feed(hasher, value)
    return f"{ALGORITHM}:{hasher.hexdigest()}"


@dataclass(frozen=True)
class Identity:
    """The properties in which two equal results agree."""

    processor: str
    version: str
    source: str
    """Digest of the code: the function and the user code it uses."""

    parameters: str
    """Digest of all parameters."""

    inputs: tuple[str, ...]
    """Digest of each input, in order."""

    @cached_property
    def key(self) -> str:
        """Digest of all parts, under which a result is looked up."""
        parts = [self.processor, self.version, self.source, self.parameters, self.inputs]
        return digest_of(["result", FORM, *parts])

    def differences(self, other: Identity) -> tuple[str, ...]:
        """Return the names of the fields that differ from the other; empty if both have one key."""
        return tuple(part.name for part in fields(self) if getattr(self, part.name) != getattr(other, part.name))

    def to_document(self) -> Document:
        """Return the identity as JSON, with its key, for ``start["processing"]``."""
        return {**asdict(self), "inputs": list(self.inputs), "key": self.key}

    @classmethod
    def from_document(cls, document: Document) -> Identity:
        """Return the identity in a document, ignoring other keys of the document.

        Raises
        ------
        ProcessorError
            A part of it is missing.
        """
        try:
            told = {part.name: document[part.name] for part in fields(cls)}
        except (KeyError, TypeError) as error:
            raise ProcessorError(
                f"Got {document!r:.200}; expected {', '.join(part.name for part in fields(cls))}."
            ) from error
        return cls(**{**told, "inputs": tuple(told["inputs"])})
