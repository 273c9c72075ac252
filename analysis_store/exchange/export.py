"""Atomic export of runs to files, folders, file objects and strings; reading of exports."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from analysis_store import layout
from analysis_store.errors import ExportError
from analysis_store.exchange import registry as formats
from analysis_store.exchange.files import Outgoing, translated
from analysis_store.exchange.registry import Format, Options
from analysis_store.progress import Progress, silent, watched
from analysis_store.runs.read.run import Run

if TYPE_CHECKING:
    from analysis_store.exchange.content import Export

Target = str | os.PathLike[str] | IO[bytes] | IO[str]


@overload
def export(
    run: Run,
    target: None = None,
    format: str | None = None,
    *,
    stream: str | None = None,
    key: str | Sequence[str] | None = None,
    event: int | None = None,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> str | bytes: ...
@overload
def export(
    run: Run,
    target: IO[bytes] | IO[str],
    format: str | None = None,
    *,
    stream: str | None = None,
    key: str | Sequence[str] | None = None,
    event: int | None = None,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> None: ...
@overload
def export(
    run: Run,
    target: str | os.PathLike[str],
    format: str | None = None,
    *,
    stream: str | None = None,
    key: str | Sequence[str] | None = None,
    event: int | None = None,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> Path | list[Path]: ...
@overload
def export(
    run: Iterable[Run],
    target: str | os.PathLike[str],
    format: str | None = None,
    *,
    stream: str | None = None,
    key: str | Sequence[str] | None = None,
    event: int | None = None,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> list[Path]: ...
def export(
    run: Run | Iterable[Run],
    target: Target | None = None,
    format: str | None = None,  # noqa: A002 - the word that pandas, Pillow and matplotlib users look for
    *,
    stream: str | None = None,
    key: str | Sequence[str] | None = None,
    event: int | None = None,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> Path | list[Path] | str | bytes | None:
    """Write a run in a format that other programs read; return the files, or the text or bytes.

    Parameters
    ----------
    run : Run or iterable of Run
        Several runs, e.g. the result of a search, need a folder as target.
    target : path, file object or None
        A file; an existing folder, or a path that ends in ``/``, for a file ``<uid>.<suffix>`` in it (formats of one
        stream: ``<uid>.<stream>.<suffix>``, one for each stream); an open file, binary, or of text for text formats;
        None returns the text or the bytes.
    format : str, optional
        One of `analysis_store.exchange.FORMATS`; by default chosen by the suffix of ``target``, and JSON for targets
        without a suffix: a folder, a file object, None.
    stream : str, optional
        Export only this stream of the run.
    key : str or sequence of str, optional
        Export only this data key, or these.
    event : int, optional
        For tables, pictures and sound: this event, from 0, negative from the end.
    overwrite : bool
        Replace an existing file.
    progress : callable or bool, optional
        ``progress(done, total)``; by default a progress bar if a person is watching; False: none.

    Returns
    -------
    pathlib.Path, list of pathlib.Path, str, bytes or None
        The file; a list of files, if there may be several; the text or bytes without a target; None for a file object.

    Raises
    ------
    ExportError
        The format is not known, cannot hold the run, or cannot choose the stream, key or event; the message names
        formats that can.
    TargetExistsError
        The file exists, and ``overwrite`` is false.
    MissingDependencyError
        A library for the format is not installed; the message names the extra.
    StoreWriteError
        The disk refused the file; no part of it is kept.

    Examples
    --------
    >>> export(store[-1], "result.json")  # doctest: +SKIP
    >>> export(store.search(sample_name="Fe foil"), "foils/", format="csv", stream="primary")  # doctest: +SKIP
    """
    with watched(progress, "Exporting") as told:
        options = Options(stream, (key,) if isinstance(key, str) else tuple(key or ()), event, told)
        if isinstance(target, (str, os.PathLike)):
            return _to_path(run, target, format, options, overwrite=overwrite)
        wanted = formats.named(format or "json")
        if not isinstance(run, Run):
            raise ExportError(
                "Got several runs for one file; expected a folder as the target. Give a folder, or one run."
            )
        return _to_file(run, target, wanted, options)


def read_export(
    source: str | os.PathLike[str] | IO[bytes] | IO[str],
    format: str | None = None,  # noqa: A002 - as `export` has it
    *,
    missing: Literal["error", "plain"] = "error",
) -> Export:
    """Return the contents of an exported file: data and documents, equal in value, dtype and shape.

    Reads run files of a store (``.h5``), too.

    Parameters
    ----------
    source : path or file object
        The file: JSON, YAML, XML, npz or HDF5.
    format : str, optional
        By default chosen by the suffix, else by the first bytes.
    missing : {"error", "plain"}
        Result for a value whose type is not known here: an error, or its state as `analysis_store.codecs.Plain`.

    Raises
    ------
    ExportError
        Files of the format cannot be read back, or the format is not recognized.
    DamagedFileError
        The file does not exist, is cut short, or is not an export. Nothing in it is executed or imported.
    UnknownTypeError, MissingDependencyError
        The file holds a value whose type is not known here.

    Examples
    --------
    >>> read_export("result.json").read("primary")  # doctest: +SKIP
    """
    from analysis_store.exchange.files import incoming

    with incoming(source) as file:
        wanted = formats.named(format) if format else formats.of_content(file)
        found: Export = wanted.reader()(file, missing)
        return found


# -------------------------------------------------------------------------------------------------- paths


def _to_path(
    run: Run | Iterable[Run], target: str | os.PathLike[str], name: str | None, options: Options, *, overwrite: bool
) -> Path | list[Path]:
    path = Path(target)
    folder = os.fspath(target).endswith(("/", os.sep)) or path.is_dir()
    if not isinstance(run, Run):
        if not folder:
            raise ExportError(f"Got several runs for the file {path}; expected a folder: {os.fspath(target)}/.")
        return _all_to_folder(list(run), path, formats.named(name or "json"), options, overwrite=overwrite)
    wanted = formats.named(name) if name else formats.named("json") if folder else formats.of_path(path)
    if not folder:
        return _save(run, {path: _of_one_stream(run, wanted, options)}, wanted, overwrite=overwrite)[0]
    made = _save(run, _in_folder(run, path, wanted, options), wanted, overwrite=overwrite)
    return made if wanted.per_stream else made[0]


def _all_to_folder(runs: list[Run], folder: Path, wanted: Format, options: Options, *, overwrite: bool) -> list[Path]:
    """Write every run; each export is atomic, and those before a failing one are kept."""
    made: list[Path] = []
    quiet = replace(options, progress=silent)
    for number, run in enumerate(runs):
        options.progress(number, len(runs))
        made += _save(run, _in_folder(run, folder, wanted, quiet), wanted, overwrite=overwrite)
    options.progress(len(runs), len(runs))
    return made


def _in_folder(run: Run, folder: Path, wanted: Format, options: Options) -> dict[Path, Options]:
    """Return the files of a run in a folder."""
    stem = layout.file_stem(run.uid)
    if not wanted.per_stream:
        return {folder / f"{stem}{wanted.suffix}": options}
    from analysis_store.exchange.content import selected

    return {
        folder / f"{stem}.{layout.file_stem(name)}{wanted.suffix}": replace(options, stream=name, keys=tuple(keys))
        for name, keys in selected(run, options).items()
    }


def _of_one_stream(run: Run, wanted: Format, options: Options) -> Options:
    """Return options with a stream, if the format holds one stream."""
    if not wanted.per_stream:
        return options
    from analysis_store.exchange.content import one_stream

    return replace(options, stream=one_stream(run, options).name)


def _save(run: Run, files: dict[Path, Options], wanted: Format, *, overwrite: bool) -> list[Path]:
    """Write the files of one run: all of them or none."""
    write = wanted.writer()
    for options in files.values():
        wanted.check(options)
    with ExitStack() as stack:
        going = [stack.enter_context(Outgoing(path, overwrite=overwrite)) for path in files]
        for one, options in zip(going, files.values(), strict=True):
            with one.writing() as file:
                write(run, file, options)
        for one in going:
            one.publish()
    return list(files)


# ------------------------------------------------------------------------------------------- file objects


def _to_file(run: Run, target: Any, wanted: Format, options: Options) -> str | bytes | None:
    """Write to a scratch file first: formats need to seek, and half an export is useless."""
    if isinstance(target, io.TextIOBase) and not wanted.text:
        raise ExportError(
            f"Got {wanted.name} for a text file; expected a file open for bytes ('wb'), or a text format: "
            f"{', '.join(one.name for one in formats.FORMATS.values() if one.text)}."
        )
    wanted.check(options)
    write, options = wanted.writer(), _of_one_stream(run, wanted, options)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / f"export{wanted.suffix}"
        with translated(scratch), scratch.open("w+b") as file:
            write(run, file, options)
        if target is None:
            written = scratch.read_bytes()  # read_text would change line ends
            return written.decode() if wanted.text else written
        with scratch.open("rb") as file:
            shutil.copyfileobj(codecs.getreader("utf-8")(file) if isinstance(target, io.TextIOBase) else file, target)
    return None
