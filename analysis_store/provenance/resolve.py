"""The provenance rule: everything that a result must record is checked at once, before anything is written.

Values come from the ``provenance`` argument and from the metadata; the code is captured, parents are looked
up, files are hashed. One error names everything that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis_store.documents import clean_metadata
from analysis_store.errors import InvalidMetadataError, ProvenanceError
from analysis_store.provenance.code.environment import Environment, environment
from analysis_store.provenance.code_policy import settle_code, waived
from analysis_store.provenance.inputs import Lookup, inspect_files, parents_in, resolve
from analysis_store.provenance.model import NOTHING, ORIGINS, Provenance

if TYPE_CHECKING:
    from analysis_store.provenance.model import ProvenanceLike
    from analysis_store.provenance.policy import Policy


@dataclass(frozen=True, slots=True)
class Settled:
    """The resolved provenance of a run: the part for its documents, and the part kept in its file."""

    document: dict[str, Any]
    """``start["provenance"]``."""

    parents: tuple[str, ...]
    """``start["parent_uids"]``."""

    patch: str | None
    """Uncommitted changes, for the run file; ``code["digest"]`` is their digest."""

    source: str | None
    """Text of code in no package or repository, for the run file; ``code["digest"]`` is its digest."""

    environment: tuple[dict[str, str], ...]
    """``{"name", "version"}`` of every installed package; kept once per digest."""

    environment_digest: str | None
    """``blake3:<hex>`` of that list."""


def settle(
    provenance: ProvenanceLike | None,
    md: Mapping[str, object],
    *,
    policy: Policy,
    lookup: Lookup | None,
    code_defaults: Mapping[str, str] | None = None,
    capture: bool = True,
) -> Settled:
    """Return the provenance of a new run, or raise.

    Parameters
    ----------
    provenance : Provenance, mapping or None
        Provenance given by the caller; it overrides ``md["provenance"]``.
    md : mapping
        The caller's metadata. ``parent_uids`` and its aliases name further parents.
    policy : Policy
        Requirements.
    lookup : callable or None
        Returns the name of the catalog that has a run of a uid, or None. Without it,
        parents are recorded as not resolved.
    code_defaults : mapping, optional
        ``name`` and ``url`` of code in no package or repository.
    capture : bool
        True if the run is computed now. False for documents that describe another process: code and
        environment are then taken from them, and under a policy without requirements they may have any value.

    Raises
    ------
    ProvenanceError
        The message names everything that is missing or wrong, and how to give it.
    """
    problems: list[str] = []
    stated = _stated(provenance, md, problems)
    named = [*stated.parents, *parents_in(md, problems)]
    parents = resolve(named, lookup, problems if policy.require_inputs else [])
    if md.get("uid") in [parent.uid for parent in parents]:
        problems.append(f"parents: Got {md['uid']!r}, the uid of this run itself; expected the uid of another run.")
    files = inspect_files(stated.files, problems, trusted=not capture)
    code = settle_code(stated, policy, code_defaults or {}, problems, capture=capture)
    around = environment() if capture else None
    _check_words(stated, policy, problems, bare=not (named or stated.files))
    result = Provenance(
        parents,
        files,
        code=code,
        parameters=stated.parameters,
        environment=stated.environment if around is None else around.to_document(),
        **_words(stated),
    )
    document = _document(result, problems)
    if problems and (capture or not policy.is_open):
        raise ProvenanceError(_message(problems) + ("" if capture else _MEASURED))
    return _settled(document, result, around)


def _settled(document: dict[str, Any], result: Provenance, around: Environment | None) -> Settled:
    return Settled(
        document,
        tuple(parent.uid for parent in result.parents),
        None if result.code is None else result.code.patch,
        None if result.code is None else result.code.source,
        () if around is None else around.packages,
        (result.environment or {}).get("digest"),
    )


# -------------------------------------------------------------------------------------------- given values


def _stated(provenance: ProvenanceLike | None, md: Mapping[str, Any], problems: list[str]) -> Provenance:
    """Return the combined argument and metadata; the argument overrides the metadata."""
    first, second = _parsed(provenance, problems), _parsed(md.get("provenance"), problems)
    if second is NOTHING:
        return first
    return Provenance(
        (*first.parents, *second.parents),
        (*first.files, *second.files),
        code=first.code or second.code,
        parameters={**(second.parameters or {}), **(first.parameters or {})} or None,
        environment=first.environment or second.environment,
        **(_words(second) | _words(first)),
    )


def _words(said: Provenance) -> dict[str, str]:
    words = {"origin": said.origin, "note": said.note, "waiver": said.waiver}
    return {name: text for name, text in words.items() if text is not None}


def _parsed(value: object, problems: list[str]) -> Provenance:
    try:
        return Provenance.parse(value)
    except ProvenanceError as error:
        problems.append(str(error))
        return NOTHING


def _check_words(stated: Provenance, policy: Policy, problems: list[str], *, bare: bool) -> None:
    if stated.origin is not None and stated.origin not in ORIGINS:
        problems.append(f"origin: Got {stated.origin!r}; expected one of {', '.join(map(repr, ORIGINS))}.")
    elif stated.origin is not None and not stated.note:
        problems.append(f'origin: {stated.origin!r} needs a note with details, e.g. note="FEFF 9.6 of Fe2O3".')
    if stated.waiver is not None and not policy.allow_waiver:
        problems.append("waiver: the policy of this store allows no waiver. Leave it out and give the missing parts.")
    if bare and stated.origin is None and policy.require_inputs and not waived(stated, policy):
        problems.append(
            'inputs: Got no parent run, no input file and no origin. Give md={"parent_uids": [uid]}, '
            "Provenance(parents=[run]), Provenance(files=[path]) or, for data that have no input, "
            'Provenance(origin="simulation" | "synthetic" | "manual", note="...").'
        )


# ---------------------------------------------------------------------------------------------- the document


def _document(result: Provenance, problems: list[str]) -> dict[str, Any]:
    try:
        document: dict[str, Any] = clean_metadata(result.to_document(), where="provenance")
    except InvalidMetadataError as error:
        problems.append(str(error))
        return {}
    return document


_MEASURED = (
    "\nMeasured data have no such provenance. Keep them in a store of their own without requirements: create it with\n"
    "  analysis-store init --open FOLDER\n"
    "or AnalysisStore(folder, policy=Policy(require_inputs=False, require_code=False)), and subscribe that."
)


def _message(problems: list[str]) -> str:
    said = list(dict.fromkeys(problems))
    listed = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(said, 1))
    things = "this is" if len(said) == 1 else f"these {len(said)} things are"
    return (
        f"Nothing was saved, because the provenance of the result is incomplete; {things} missing or wrong:\n{listed}"
    )
