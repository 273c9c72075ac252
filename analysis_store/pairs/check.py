"""Check that a writer and a handler are a pair, with real files; it reports all faults at once."""

from __future__ import annotations

import inspect
import json
import tempfile
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.errors import PairError
from analysis_store.pairs.registry import HandlerRegistry, WriterRegistry
from analysis_store.pairs.resources import call_writer
from analysis_store.pairs.through import Sample, read_through_databroker, read_through_tiled
from analysis_store.writers.base import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_SHAPES = ((), (0,), (3,), (2, 3))
_DTYPES = ("<i4", "<f8", ">f8", "?", "<c16", "S3", "<U3", "<M8[ns]")
_KEYS = ("one", "two")


def check_pair(
    writer: type,
    handler: type,
    *,
    values: Sequence[object] | None = None,
    resource_kwargs: Mapping[str, object] | None = None,
    suffix: str = ".h5",
) -> None:
    """Check that ``handler`` reads the values that ``writer`` writes.

    Parameters
    ----------
    writer : type
        A `Writer`, or a class of the 2018 form: ``W(path, **resource_kwargs)({key: value})``.
    handler : type
        A `Handler`, or a class that keeps databroker's protocol.
    values : sequence, optional
        Values that the pair must return. By default arrays of many shapes and dtypes are used, or tables for a
        writer that refuses arrays; the writer may refuse some of these by an exception.
    resource_kwargs : mapping, optional
        Further arguments of both classes. By default ``dataset`` is given if they need it.
    suffix : str
        Suffix of the files that are written.

    Raises
    ------
    PairError
        One or more faults; the message names them all.

    Examples
    --------
    >>> from analysis_store.handlers.arrays import ArrayHandler
    >>> from analysis_store.writers.arrays import ArrayWriter
    >>> check_pair(ArrayWriter, ArrayHandler, values=[np.arange(3.0)])
    """
    faults = [*_signatures(writer, handler), *_specs(writer, handler)]
    kwargs = dict(resource_kwargs) if resource_kwargs is not None else _needed(writer)
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(writer, handler, kwargs, Path(folder), suffix)
        accepted, found = _round_trips(bench, values)
        faults += found
        if accepted:
            for check in (_keys_on_their_own, _several_keys, _closing, _file_list, _elsewhere):
                faults += _guarded(check, bench, _telling(accepted))
        elif not found:
            faults.append("the writer accepts no default value; give suitable ones with values=[...]")
    if faults:
        told = "\n".join(f"* {fault}" for fault in dict.fromkeys(faults))
        raise PairError(f"{writer.__qualname__} and {handler.__qualname__} are not a pair:\n{told}")


@dataclass
class _Bench:
    """Creates writers and handlers on new files."""

    writer: type
    handler: type
    kwargs: dict[str, Any]
    folder: Path
    suffix: str
    count: int = 0

    def path(self) -> str:
        """Return the name of a new file."""
        self.count += 1
        return str(self.folder / f"{self.count}{self.suffix}")

    def write(self, path: str, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Write values one key at a time with one writer; return the datum kwargs of each."""
        writer = self.writer(path, **self.kwargs)
        try:
            return {key: call_writer(writer, key, value) for key, value in values.items()}
        finally:
            _close(writer)

    def read(self, path: str, datum_kwargs: Mapping[str, Any]) -> Any:
        """Read one value with a new handler."""
        handler = self.handler(path, **self.kwargs)
        try:
            return handler(**datum_kwargs)
        finally:
            _close(handler)


def _close(found: Any) -> None:
    if callable(getattr(found, "close", None)):
        found.close()


def _guarded(check: Callable[[_Bench, Any], Iterator[str]], bench: _Bench, value: Any) -> list[str]:
    """Return the faults that a check finds; an exception in it is a fault, too."""
    what = check.__name__.strip("_").replace("_", " ")
    try:
        return [f"{what}: {fault}" for fault in check(bench, value)]
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything
        return [f"{what}: {type(error).__name__}: {error}"]


def _signatures(writer: type, handler: type) -> Iterator[str]:
    ours, theirs = _parameters(writer), _parameters(handler)
    if ours != theirs:
        yield f"the signatures differ: the writer takes {ours}, the handler {theirs}; expected one for both"


def _parameters(found: type) -> list[tuple[str, Any]]:
    """Return names and defaults of the arguments of a class without the path, which may have any name."""
    parameters = list(inspect.signature(found).parameters.values())[1:]
    return [(str(parameter).split(":")[0].split("=")[0], parameter.default) for parameter in parameters]


def _needed(writer: type) -> dict[str, Any]:
    names = [
        name for name, default in _parameters(writer) if default is inspect.Parameter.empty and not name.startswith("*")
    ]
    unknown = [name for name in names if name != "dataset"]
    if unknown:
        raise PairError(f"{writer.__qualname__} needs {', '.join(unknown)}. Give them with resource_kwargs={{...}}.")
    return dict.fromkeys(names, "/entry/primary/value")


def _specs(writer: type, handler: type) -> Iterator[str]:
    spec = getattr(writer, "spec", None)
    if spec is None and issubclass(writer, Writer):
        yield "the writer has no spec"
        return
    if spec is None:
        return
    specs = getattr(handler, "specs", None)
    if specs is not None and spec not in specs:
        yield f"the writer's spec {spec!r} is not among the handler's {sorted(specs)}"
    for registry, found in ((HandlerRegistry, handler), (WriterRegistry, writer)):
        value = f"{found.__module__}:{found.__qualname__}"
        named = {plug_in.value for plug_in in entry_points(group=registry.group, name=spec)}
        if named and value not in named:
            yield f"the entry point {spec!r} of {registry.group} names {', '.join(sorted(named))}, not {value}"


def _round_trips(bench: _Bench, values: Sequence[Any] | None) -> tuple[list[Any], list[str]]:
    """Return the values that were read back equal, and the faults of the others."""
    if values is not None:
        return _tried(bench, values, must=True)
    accepted, faults = _tried(bench, list(_arrays()), must=False)
    return (accepted, faults) if accepted or faults else _tried(bench, list(_tables()), must=False)


def _tried(bench: _Bench, values: Sequence[Any], must: bool) -> tuple[list[Any], list[str]]:
    accepted, faults = [], []
    for value in values:
        path, before, what = bench.path(), _copied(value), _told(value)
        try:
            datum_kwargs = bench.write(path, {"value": value})["value"]
        except PairError as error:
            faults.append(str(error))
            continue
        except Exception as error:  # noqa: BLE001 - foreign code says so in its own way that it does not store this
            faults += [f"{what} is refused: {type(error).__name__}: {error}"] if must else []
            continue
        found = [*_unchanged(before, value, what), *_found(bench, path, datum_kwargs, value, what)]
        faults += found
        accepted += [] if found else [value]
    return accepted, faults


def _copied(value: Any) -> Any:
    """Return a copy of mutable values; NumPy 2.0 crashes on a deep copy of variable text."""
    return value.copy() if callable(getattr(value, "copy", None)) else value


def _unchanged(before: Any, value: Any, what: str) -> Iterator[str]:
    difference = _difference(before, value)
    if difference:
        yield f"the writer changes {what} that it is given: {difference}"


def _found(bench: _Bench, path: str, datum_kwargs: Mapping[str, Any], value: Any, what: str) -> Iterator[str]:
    try:
        json.dumps(datum_kwargs)
    except (TypeError, ValueError) as error:
        yield f"the datum kwargs {datum_kwargs!r} do not fit into a document: {error}"
        return
    try:
        difference = _difference(value, bench.read(path, datum_kwargs))
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything
        difference = f"reading raises {type(error).__name__}: {error}"
    if difference:
        yield f"{what} does not come back: {difference}"


def _difference(wanted: Any, found: Any) -> str | None:
    """Return the difference of two values in kind, dtype, shape or elements, None if they are equal."""
    if type(wanted).__name__ == "DataFrame":
        import pandas

        try:
            pandas.testing.assert_frame_equal(wanted, found)
        except AssertionError as error:
            return " ".join(str(error).split())
        return None
    wanted, found = np.asarray(wanted), np.asarray(found)
    if (wanted.dtype, wanted.shape) != (found.dtype, found.shape):
        return f"expected {wanted.dtype}{wanted.shape}, got {found.dtype}{found.shape}"
    nan = wanted.dtype.kind in "fcmM"
    return None if np.array_equal(wanted, found, equal_nan=nan) else "the elements differ"


def _told(value: Any) -> str:
    array = isinstance(value, (np.ndarray, np.generic))
    return f"an array of {value.dtype}{value.shape}" if array else f"a {type(value).__name__}"


def _arrays() -> Iterator[Any]:
    for dtype in _DTYPES:
        for shape in _SHAPES:
            yield np.asarray(np.arange(int(np.prod(shape))).reshape(shape) % 2, dtype="i8").astype(dtype)


def _tables() -> Iterator[Any]:
    import pandas

    yield pandas.DataFrame({"energy": [7112.0, 7113.0], "count": [1, 2], "label": ["a", "b"]})
    yield pandas.DataFrame({"mu": [0.1, 0.2]}, index=pandas.Index([3, 4], name="row"))


def _keys_on_their_own(bench: _Bench, value: Any) -> Iterator[str]:
    """Yield faults of two keys written one after the other: each is located by its own datum kwargs."""
    path, other = bench.path(), _other(value)
    found = bench.write(path, dict(zip(_KEYS, (value, other), strict=True)))
    for key, wanted in zip(_KEYS, (value, other), strict=True):
        if difference := _difference(wanted, bench.read(path, found[key])):
            yield f"key {key!r}, written together with another, does not come back: {difference}"


def _several_keys(bench: _Bench, value: Any) -> Iterator[str]:
    """Yield faults of two keys in one call: refused, or each with its own datum kwargs. The 2018 form has one key."""
    made: Any = bench.writer
    if not issubclass(made, Writer):
        return
    path, values = bench.path(), dict(zip(_KEYS, (value, _other(value)), strict=True))
    writer = made(path, **bench.kwargs)
    try:
        answer = writer(values)
    except Exception:  # noqa: BLE001 - foreign code says in its own way that it takes one key
        return
    finally:
        _close(writer)
    if set(answer) != set(values):
        yield f"given the keys {sorted(values)}, the writer answers for {sorted(answer)}"
        return
    for key, wanted in values.items():
        if difference := _difference(wanted, bench.read(path, answer[key])):
            yield f"key {key!r}, written in one call with another, does not come back: {difference}"


def _other(value: Any) -> Any:
    """Return a different value of the same kind, if possible."""
    if type(value).__name__ == "DataFrame":
        return value.iloc[::-1].copy()
    return np.flip(np.asarray(value)).copy()


def _telling(values: Sequence[Any]) -> Any:
    """Return a value whose elements differ, if there is one, so that mixed-up elements are detected."""
    numbers = [
        value
        for value in values
        if isinstance(value, np.ndarray) and value.dtype.isnative and value.dtype.kind in "iuf"
    ]
    return next((value for value in reversed(numbers) if value.size > 1 and np.ptp(value) > 0), values[-1])


def _closing(bench: _Bench, value: Any) -> Iterator[str]:
    """Yield faults of closing writer and handler twice, before and after use."""
    path = bench.path()
    writer = bench.writer(path, **bench.kwargs)
    datum_kwargs = call_writer(writer, "value", value)
    _close(writer)
    _close(writer)
    handler = bench.handler(path, **bench.kwargs)
    handler(**datum_kwargs)
    _close(handler)
    _close(handler)
    if not callable(getattr(writer, "close", None)) and isinstance(writer, Writer):
        yield "the writer has no close()"


def _file_list(bench: _Bench, value: Any) -> Iterator[str]:
    """Yield faults of the list of files of a handler, which must exist."""
    path = bench.path()
    datum_kwargs = bench.write(path, {"value": value})["value"]
    handler = bench.handler(path, **bench.kwargs)
    if not callable(getattr(handler, "get_file_list", None)):
        return
    files = [str(file) for file in handler.get_file_list([datum_kwargs])]
    _close(handler)
    missing = [file for file in files if not Path(file).exists()]
    if missing or not files:
        yield f"get_file_list() returns {missing or 'no file'}; expected the files that contain the data"


def _elsewhere(bench: _Bench, value: Any) -> Iterator[str]:
    """Yield differences between the written values and those that databroker and Tiled read, if installed."""
    spec = getattr(bench.writer, "spec", None)
    array = np.asarray(value)
    if spec is None or array.dtype.kind not in "biuf" or type(value).__name__ == "DataFrame":
        return
    path = bench.path()
    values = [value, _other(value)]
    known = inspect.signature(bench.handler).parameters
    told = {"chunk_shape": [1, *array.shape], "swmr": False}
    kwargs = {**bench.kwargs, **{name: told[name] for name in told if name in known}}
    found = bench.write(path, dict(zip(_KEYS, values, strict=True)))
    datums = [found[key] for key in _KEYS]
    sample = Sample(spec, bench.handler, path, kwargs, datums, array)
    for reader in (read_through_tiled, read_through_databroker):
        read = reader(sample)
        if read is not None and (difference := _difference(np.array(values, dtype=array.dtype), read)):
            yield f"{reader.__name__.rpartition('_')[2]} reads something else: {difference}"
            return
