"""The identity of a result: which code made it, of what, with which parameters."""

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
"""Of what the key is taken; a change of it makes all results new."""


def digest_of(value: object) -> str:
    """Return the digest of a value, ``blake3:<hex>``; see `analysis_store.processing.identity.canonical`.

    Raises
    ------
    ProcessorError
        It holds what has no encoding; the message says where.
    """
    hasher = blake3()
    feed(hasher, value)
    return f"{ALGORITHM}:{hasher.hexdigest()}"


@dataclass(frozen=True)
class Identity:
    """What two results must have in common to be the same."""

    processor: str
    version: str
    source: str
    """Digest of the code: the function and what it calls in its package."""

    parameters: str
    """Digest of all parameters."""

    inputs: tuple[str, ...]
    """Digest of each input, in order."""

    @cached_property
    def key(self) -> str:
        """The digest of all of it, under which a result is looked up."""
        parts = [self.processor, self.version, self.source, self.parameters, self.inputs]
        return digest_of(["result", FORM, *parts])

    def differences(self, other: Identity) -> tuple[str, ...]:
        """Return the names of the fields in which the other differs; none where both have one key."""
        return tuple(part.name for part in fields(self) if getattr(self, part.name) != getattr(other, part.name))

    def to_document(self) -> Document:
        """Return it as JSON has it, with its key: what ``start["processing"]`` says of it."""
        return {**asdict(self), "inputs": list(self.inputs), "key": self.key}

    @classmethod
    def from_document(cls, document: Document) -> Identity:
        """Return the identity that a document tells of; what else the document holds does not matter.

        Raises
        ------
        ProcessorError
            A part of it is missing.
        """
        try:
            told = {part.name: document[part.name] for part in fields(cls)}
        except (KeyError, TypeError) as error:
            raise ProcessorError(
                f"{document!r:.200} came; expected {', '.join(part.name for part in fields(cls))}."
            ) from error
        return cls(**{**told, "inputs": tuple(told["inputs"])})
