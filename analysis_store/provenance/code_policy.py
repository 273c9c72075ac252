"""The code of a new run: given and captured values are combined, and checked against the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis_store.provenance.code.capture import Found, capture_code
from analysis_store.provenance.parts import Code
from analysis_store.provenance.texts import text_digest
from analysis_store.provenance.urls import public_url

if TYPE_CHECKING:
    from analysis_store.provenance.model import Provenance
    from analysis_store.provenance.policy import Policy


def settle_code(
    stated: Provenance, policy: Policy, defaults: Mapping[str, str], problems: list[str], *, capture: bool
) -> Code | None:
    """Return the code of a new run: the given code completed by the captured one, or the captured one."""
    given, found = stated.code, Found(None)
    if capture and not (given is not None and _is_complete(given)):
        found = capture_code(patch=policy.dirty == "diff")
    code = _kept(_with_defaults(_merged(given, found.code, problems), given, defaults), policy)
    if not waived(stated, policy):
        if policy.require_code:
            _check_complete(code, found, problems, documents=not capture)
        _check_committed(code, found, policy, problems)
    return None if code is None else code.marked()


def _is_complete(code: Code) -> bool:
    """Return True if no capture is needed, in which case the named code need not be the calling code."""
    return bool(code.name and (code.source or (code.url and (code.version or code.commit))))


def _merged(given: Code | None, found: Code | None, problems: list[str]) -> Code | None:
    """Return the given code completed by the captured one, if both describe the same code."""
    if given is None or found is None:
        return given or found
    if not _is_same(given, found):
        return given
    if given.commit and found.commit and not found.commit.startswith(given.commit):
        problems.append(
            f"code: Got the commit {given.commit}, but the checkout is at {found.commit}. Leave the commit out."
        )
    return replace(
        found,
        name=given.name or found.name,
        version=given.version or found.version,
        commit=found.commit or given.commit,
        url=given.url or found.url,
        entry_point=given.entry_point or found.entry_point,
    )


def _is_same(given: Code, found: Code) -> bool:
    """Return True if stated code can be the same as the captured code."""
    if given.name not in (None, found.name):
        return found.source is not None and not (given.version or given.commit)
    loose = given.name is not None and found.source is not None  # a script may have any version
    return given.version in (None, found.version) or (loose and found.version is None)


def _with_defaults(code: Code | None, given: Code | None, defaults: Mapping[str, str]) -> Code | None:
    """Return the code with the store's default name and url for code in no package or repository."""
    if code is None or code.source is None or code.version or code.commit:
        return code
    name = (given and given.name) or defaults.get("name") or code.name
    url = code.url or defaults.get("url")
    return code if (name, url) == (code.name, code.url) else replace(code, name=name, url=url)


def _kept(code: Code | None, policy: Policy) -> Code | None:
    """Return the code with the digest of the kept text, and a url that may be published."""
    if code is None:
        return None
    if code.patch is not None and policy.dirty == "allow":
        code = replace(code, patch=None, digest=None)
    kept = code.source or code.patch
    if kept and not code.digest:
        code = replace(code, digest=text_digest(kept))
    url = public_url(code.url) if code.url else code.url
    return code if url == code.url else replace(code, url=url)


def _check_complete(code: Code | None, found: Found, problems: list[str], *, documents: bool) -> None:
    code = code or Code()
    text_kept = code.source is not None or (documents and code.digest is not None)
    gaps = {
        "name": code.name,
        # A url adds nothing to a text that is kept whole: missing urls must not prevent saving.
        "url": code.url or text_kept,
        "version or commit": code.version or code.commit or text_kept,
    }
    missing = [gap for gap, value in gaps.items() if not value]
    if missing:
        why = f" ({found.trouble})" if found.trouble else ""
        known = f" of {code.name!r}" if code.name else ""
        problems.append(
            f"code: {' and '.join(missing)}{known} not known{why}. Give Provenance(code=Code(name=..., version=..., "
            'url=...)) or "commit"; or Provenance.capture(function) of the function that made the result.'
        )


def _check_committed(code: Code | None, found: Found, policy: Policy, problems: list[str]) -> None:
    if code is None:
        return
    if policy.dirty == "refuse" and code.dirty:
        changed = ", ".join(code.changed[:20]) or "unnamed files"
        more = f" and {len(code.changed) - 20} more" if len(code.changed) > 20 else ""
        problems.append(
            f"code: {code.name!r} has uncommitted changes, which the policy of this store refuses: "
            f"{changed}{more}. Commit them and save again."
        )
    elif policy.dirty == "refuse" and found.trouble and code.dirty is None and code.source is not None:
        problems.append(f"code: it is unknown whether {code.name!r} is committed: {found.trouble}. Fix this first.")
    elif policy.dirty == "diff" and code.dirty and found.trouble and policy.require_code:
        problems.append(f"code: {found.trouble}.")


def waived(stated: Provenance, policy: Policy) -> bool:
    """Return True if the policy accepts a written reason in place of missing parts."""
    return policy.allow_waiver and stated.waiver is not None
