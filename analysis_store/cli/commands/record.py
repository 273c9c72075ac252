"""``analysis-store record``: record values from standard input or a file as a run, which can be followed live."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import note as remark
from analysis_store.cli.console import print_json, say
from analysis_store.cli.options import JsonOption, StoreOption, open_store, pairs
from analysis_store.cli.provenance_options import (
    CodeCommitOption,
    CodeNameOption,
    CodeUrlOption,
    CodeVersionOption,
    MdFileOption,
    MdOption,
    NoteOption,
    ParameterOption,
    ParentOption,
    WaiverOption,
    metadata,
    provenance,
)
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.recorder import Recorder, RunDataStore


def record(
    source: Annotated[Path | None, typer.Option("--from", help="Read this file and name it in the provenance.")] = None,
    store: StoreOption = None,
    md: MdOption = None,
    md_file: MdFileOption = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="key=f8: dtype of a key; default: the dtype of its first value.")
    ] = None,
    ragged: Annotated[list[str] | None, typer.Option(help="A key whose arrays may differ in shape.")] = None,
    parent: ParentOption = None,
    file: Annotated[list[Path] | None, typer.Option(help="An input file; may be repeated.")] = None,
    origin: Annotated[
        str | None, typer.Option(help="simulation, synthetic or manual, for values without an input; needs --note.")
    ] = None,
    code_name: CodeNameOption = None,
    code_version: CodeVersionOption = None,
    code_commit: CodeCommitOption = None,
    code_url: CodeUrlOption = None,
    parameter: ParameterOption = None,
    note: NoteOption = None,
    waiver: WaiverOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record values from standard input, as they arrive.

    Each line is a key and its value, or a JSON object with several. Prints the uid at once. The run ends with the
    input.
    """
    code = {"name": code_name, "version": code_version, "commit": code_commit, "url": code_url}
    files = [*(file or []), *([source] if source and source.is_file() else [])]
    told = provenance(record, parent, code, parameter, files=files, origin=origin, note=note, waiver=waiver)
    with _input(source) as lines, open_store(store) as opened:
        from analysis_store.recorder import Recorder, RunDataStore

        live = RunDataStore(opened, metadata(md, md_file), told)
        if as_json:
            print_json({"uid": live.uid})
        else:
            say(live.uid)
        sys.stdout.flush()
        recorder = Recorder(live)
        _declare(recorder, dtype or [], ragged or [])
        with _ended(live):
            _take(lines, recorder, live)
        counts = {key: len(recorder.get_all(key)) for key in recorder.keys()}  # noqa: SIM118 - no mapping
    if as_json:
        print_json({"uid": live.uid, "values": counts})
    else:
        remark(f"{sum(counts.values())} values under {len(counts)} keys.")


@contextlib.contextmanager
def _input(source: Path | None) -> Iterator[Iterable[bytes]]:
    if source is None:
        yield sys.stdin.buffer
        return
    try:
        stream = source.open("rb")
    except OSError as error:
        raise InvalidDataError(f"--from {source} cannot be read: {error.strerror}.") from error
    with stream:
        yield stream


def _declare(recorder: Recorder, dtypes: Sequence[str], ragged: Sequence[str]) -> None:
    told: dict[str, Any] = pairs(dtypes, "--dtype")
    for key in dict.fromkeys([*told, *ragged]):
        try:
            recorder.declare(key, dtype=told.get(key), ragged=key in ragged)
        except InvalidDataError as error:
            raise typer.BadParameter(str(error), param_hint="--dtype") from error


def _take(lines: Iterable[bytes], recorder: Recorder, live: RunDataStore) -> None:
    from analysis_store.cli.lines import parse_line
    from analysis_store.recorder.core.base import checked_key

    for number, line in enumerate(lines, 1):
        try:
            values = parse_line(line)
            for key, value in values.items():
                live.check(checked_key(key, values), value)  # a line is recorded completely or not at all
            for key, value in values.items():
                recorder.record(key, value)
        except InvalidDataError as error:
            raise InvalidDataError(
                f"line {number}: {error} Earlier lines are kept. (--dtype KEY=f8 and --ragged KEY declare a key.)"
            ) from error


@contextlib.contextmanager
def _ended(live: RunDataStore) -> Iterator[None]:
    """End a run with the status of its end: end of input, interrupted, or a refused line."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: recorded values are kept
    try:
        yield
    except KeyboardInterrupt:
        live.abandon("interrupted")
        raise typer.Exit(130) from None
    except Exception as error:
        live.fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    live.close()
