"""A tree over many runs: small HDF5 files, one per input, whose links lead to the results by their parameters.

::

    <target>/<input>.h5            @input, @kind: a run's uid, a file's digest, or no input
      <parameters>                 one group per distinct set of parameters, which are its attributes
        <uid of the result>        an external link to /entry of its run file, relative to this file
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from blake3 import blake3

from analysis_store import layout
from analysis_store.errors import ExportError, TargetExistsError
from analysis_store.exchange.files import Outgoing, translated
from analysis_store.exchange.link_check import FORM, FORM_VERSION, Dangling, check_tree, is_tree_file, tree_files
from analysis_store.exchange.parameters import Parameters, canonical, parameters_of
from analysis_store.progress import watched

if TYPE_CHECKING:
    from analysis_store.catalogs.query.query import QueryLike
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run

NO_INPUT = "no-input"
"""File name for results that have no run and no file as input."""

PARAMETERS = "analysis_store_parameters"
"""Attribute of a group: all its parameters as JSON; `PARAMETERS_DIGEST` is the digest of this text."""

PARAMETERS_DIGEST = "analysis_store_parameters_digest"

_FILE = "file-"
"""Prefix of the files for inputs that are files, not runs."""

_MOST_IN_ATTRIBUTE = 32 << 10
"""Bytes: HDF5 limits attributes to 64 KiB; longer arrays are written as JSON text, which HDF5 stores elsewhere."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Result of `link_tree`."""

    folder: Path
    """Folder of the tree."""

    files: tuple[Path, ...]
    """The files that were written, one per input."""

    groups: int
    """Number of parameter sets; a set that several inputs share counts once for each."""

    links: int
    """Number of links; a result has a link in the file of each of its inputs."""

    left: tuple[Path, ...]
    """Files of the tree that existed before, for inputs that no selected run has now."""

    dangling: tuple[Dangling, ...]
    """Broken links of the whole folder."""


@dataclass(slots=True)
class _Input:
    """Collects the results of one input for its file."""

    kind: str
    name: str
    paths: set[str] = field(default_factory=set)
    groups: dict[str, tuple[Parameters, dict[str, Path]]] = field(default_factory=dict)

    def add(self, parameters: Parameters, run: Run) -> None:
        """Add a result under its parameters."""
        _, links = self.groups.setdefault(parameters.name, (parameters, {}))
        links[layout.stored_name(run.uid, links)] = run.file


def link_tree(
    store: RunStore,
    target: str | os.PathLike[str],
    by: Sequence[str] | str | None = None,
    *,
    query: QueryLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tree:
    """Write a tree of links over the runs of a store: by input, then by parameters.

    Each file is written atomically. A second call updates the tree: the file of every input of the selected runs
    is replaced; files of other inputs are kept, and named in the report.

    Parameters
    ----------
    store : AnalysisStore
        The store with the runs.
    target : path
        The folder of the tree; created if it does not exist.
    by : sequence of str, optional
        Keys that distinguish parameter sets: dotted keys of the start document (``"sample.name"``), of its provenance
        (``"code.version"``) or of the parameters in it (``"kmin"``). By default all parameters, and the name and
        version of the code.
    query : optional
        Query of `AnalysisStore.search`: link only these runs.
    progress : callable, optional
        ``progress(done, total)``, in runs; by default a progress bar if a person is watching.

    Returns
    -------
    Tree
        The files written, and the broken links.

    Raises
    ------
    ExportError
        ``by`` contains an invalid key.
    TargetExistsError
        A file that is not part of a tree has the name of one that is.
    StoreWriteError
        The disk refused a file.

    Examples
    --------
    >>> tree = link_tree(store, "tree", by=["parameters.kmin"])  # doctest: +SKIP
    >>> tree.links, tree.dangling  # doctest: +SKIP
    (12, ())
    """
    folder = Path(target)
    with watched(progress, "Linking") as told:
        inputs = _gathered(store, by, query, told)
    paths = {folder / f"{stem}.h5": one for stem, one in inputs.items()}
    _make_folder(folder, paths)
    for path, one in paths.items():
        with Outgoing(path, overwrite=True) as going:
            with going.writing() as file:
                file.write(_content(one, path))
            going.publish()
    return Tree(
        folder,
        tuple(paths),
        sum(len(one.groups) for one in inputs.values()),
        sum(len(links) for one in inputs.values() for _, links in one.groups.values()),
        tuple(path for path in tree_files(folder) if path not in paths),
        check_tree(folder),
    )


def _gathered(
    store: RunStore, by: Sequence[str] | str | None, query: Any, told: Callable[[int, int], None]
) -> dict[str, _Input]:
    """Return the inputs of all runs, by the stem of their file."""
    keys: list[Any] | None = [by] if isinstance(by, str) else None if by is None else list(by)
    for key in keys or ():
        if not isinstance(key, str) or not all(key.split(".")):
            raise ExportError(
                f"Got {key!r} in by=; expected a dotted key, e.g. 'parameters.kmin', 'code.version', 'sample_name'."
            )
    found: dict[str, _Input] = {}
    runs = store.search(query)
    total = len(runs)
    for number, run in enumerate(runs, 1):
        parameters = parameters_of(run, keys)
        for stem, one in _inputs(run).items():
            kept = found.setdefault(stem, one)
            kept.paths |= one.paths
            kept.add(parameters, run)
        told(min(number, total), total)
    return found


def _inputs(run: Run) -> dict[str, _Input]:
    """Return the inputs of a run, each once, by the stem of their files."""
    provenance = run.provenance
    uids = [*(parent.uid for parent in provenance.parents), *run.parents]
    found = {_free_stem(uid): _Input("run", uid) for uid in uids}
    for file in provenance.files:
        known = file.digest or f"path:{blake3(file.path.encode(errors='surrogateescape')).hexdigest()}"
        stem = _FILE + layout.file_stem(known.rpartition(":")[2])
        found.setdefault(stem, _Input("file", known)).paths.add(file.path)
    return found or {NO_INPUT: _Input("none", "")}


def _free_stem(uid: str) -> str:
    """Return the stem for a uid; one that looks like another kind of input gets a prefix, as hidden names do."""
    stem = layout.file_stem(uid)
    return f"%{ord(stem[0]):02X}{stem[1:]}" if stem == NO_INPUT or stem.startswith(_FILE) else stem


def _make_folder(folder: Path, paths: dict[Path, _Input]) -> None:
    """Create the folder after checking that no foreign file is in the way."""
    if folder.exists() and not folder.is_dir():
        raise TargetExistsError(f"{folder} is a file and was not changed; expected a folder for the tree.")
    for path in paths:
        if os.path.lexists(path) and not is_tree_file(path):
            raise TargetExistsError(
                f"{path} exists already and is not part of a tree; it was not changed. Give another folder."
            )
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _content(one: _Input, path: Path) -> bytes:
    """Return the file of an input."""
    base = path.parent.resolve()
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs.update({
            "NX_class": "NXroot", FORM: FORM_VERSION, "kind": one.kind, "input": one.name,
            "paths": np.array(sorted(one.paths), dtype=h5py.string_dtype()),
        })  # fmt: skip
        for name, (parameters, links) in sorted(one.groups.items()):
            group = file.create_group(name)
            for key, value in parameters.flat():
                group.attrs[key] = _attribute(value)
            group.attrs.update({
                "NX_class": "NXcollection", PARAMETERS: parameters.canonical, PARAMETERS_DIGEST: parameters.digest
            })  # fmt: skip
            for link, target in sorted(links.items()):
                where = os.path.relpath(target.resolve(), base)
                group[link] = h5py.ExternalLink(where, f"/{layout.ENTRY}")
    return image.getvalue()


def _attribute(value: Any) -> Any:
    """Return numbers, text and lists of numbers as HDF5 attributes, anything else as JSON text."""
    if isinstance(value, str):
        return canonical(value) if "\0" in value else value
    if isinstance(value, list) and value and all(type(item) in (int, float) for item in value):
        array = np.array(value)
        if array.dtype.kind in "if" and array.nbytes <= _MOST_IN_ATTRIBUTE:
            return array
    if isinstance(value, (bool, float)) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    return canonical(value)
