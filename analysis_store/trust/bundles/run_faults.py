"""A run against its record and its digests; values that lie in files which are not here are let be."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from analysis_store.documents import dumps
from analysis_store.runs.read.resource_location import kept_path
from analysis_store.runs.read.verify import Fault, document_faults, value_faults
from analysis_store.trust.bundles.contents import packages_of

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.trust.bundles.run_in_transit import RunInTransit

_PARTS = ("start", "stop", "descriptors", "parents", "beside")


def differences(one: RunRecord, other: RunRecord) -> list[str]:
    """Return which parts of two records of a run differ; where their files lie does not count."""
    return [name for name in _PARTS if dumps(getattr(one, name)) != dumps(getattr(other, name))]


def faults_of(run: RunInTransit) -> list[Fault]:
    """Return what is wrong with a run: with its documents, or where they are the record's, with its values.

    A key whose values other writers stored counts only where they can be read here: a run may be moved without them.
    """
    return document_faults(run) or value_faults(run, elsewhere=False)


def places_due(run: RunInTransit) -> set[PurePosixPath]:
    """Return the places, relative to the root, at which a run looks for files."""
    folder = PurePosixPath(run.record.path).parent
    due = {kept_path(resource) for resource in run.content.resources}
    names = (str(resource["resource_path"]) for resource in run.content.resources)
    stem = PurePosixPath(run.record.path).stem
    due |= {folder / name for name in names if "/" not in name and name.startswith(f"{stem}.")}
    packages = packages_of(run.start)
    return due | ({packages} if packages else set())
