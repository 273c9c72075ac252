"""The policy of a store: the provenance that a result must have to be saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from analysis_store.errors import PolicyError

if TYPE_CHECKING:
    from analysis_store.documents import Document

DIRTY = ("allow", "diff", "refuse")
"""Treatments of uncommitted code, the strictest last."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The provenance that a result must have.

    Raises
    ------
    PolicyError
        A value is not one of the allowed ones.

    Examples
    --------
    >>> Policy(dirty="refuse")
    Policy(require_inputs=True, require_code=True, dirty='refuse', allow_waiver=False)
    """

    require_inputs: bool = True
    """At least one parent run, input file or origin."""

    require_code: bool = True
    """Name and url of the code, and a version, a commit or its source text."""

    dirty: Literal["allow", "diff", "refuse"] = "diff"
    """Uncommitted code: ``"refuse"`` it, keep its patch with the run (``"diff"``), or only record it (``"allow"``)."""

    allow_waiver: bool = False
    """Accept a written reason for missing inputs or code, and for uncommitted code."""

    def __post_init__(self) -> None:
        for name in ("require_inputs", "require_code", "allow_waiver"):
            if not isinstance(getattr(self, name), bool):
                raise PolicyError(f"policy: Got {name}={getattr(self, name)!r}; expected true or false.")
        if self.dirty not in DIRTY:
            raise PolicyError(f"policy: Got dirty={self.dirty!r}; expected one of {', '.join(map(repr, DIRTY))}.")

    @property
    def is_open(self) -> bool:
        """True if nothing is required: the policy of a store for documents of other programs."""
        return not (self.require_inputs or self.require_code)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Policy:
        """Return the policy for a mapping of `to_mapping`, or the ``[policy]`` table of ``analysis_store.toml``.

        Raises
        ------
        PolicyError
            An unknown key, or an invalid value.
        """
        known = [field.name for field in fields(cls)]
        unknown = [repr(key) for key in mapping if key not in known]
        if unknown:
            raise PolicyError(f"policy: unknown {', '.join(unknown)}; known: {', '.join(known)}.")
        return cls(**mapping)

    def to_mapping(self) -> Document:
        """Return the policy as plain values, for ``analysis_store.toml``."""
        return asdict(self)

    def tightened_by(self, other: Policy) -> Policy:
        """Return ``other``, if it is at least as strict as this policy.

        Raises
        ------
        PolicyError
            ``other`` would loosen this policy; the message names the rules.
        """
        looser = [name for name, mine, theirs in self._compare(other) if theirs < mine]
        if looser:
            wanted = ", ".join(f"{name}={getattr(other, name)!r}" for name in looser)
            kept = ", ".join(f"{name}={getattr(self, name)!r}" for name in looser)
            raise PolicyError(
                f"policy: Got {wanted}, which would loosen the policy of the store, {kept}. An argument may tighten "
                "it, never loosen it; edit analysis_store.toml in the store's folder, or use another store."
            )
        return other

    def _compare(self, other: Policy) -> list[tuple[str, int, int]]:
        """Return (name, strictness here, strictness there) of every rule."""
        return [
            ("require_inputs", self.require_inputs, other.require_inputs),
            ("require_code", self.require_code, other.require_code),
            ("dirty", DIRTY.index(self.dirty), DIRTY.index(other.dirty)),
            ("allow_waiver", not self.allow_waiver, not other.allow_waiver),
        ]
