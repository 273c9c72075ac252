"""The proof that a processor is one: what results rest on that are kept and never computed twice."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import jsonschema_rs

from analysis_store.errors import AnalysisStoreError, ParameterError, ProcessorError
from analysis_store.processing.inputs.in_memory import FreshInput
from analysis_store.processing.inputs.inputs import Input, Inputs
from analysis_store.processing.inputs.returned import gather_returned
from analysis_store.processing.model.preset import Preset
from analysis_store.processing.model.registry import get_processor
from analysis_store.provenance import Policy, Provenance
from analysis_store.store import AnalysisStore

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import InputsLike
    from analysis_store.processing.model.processor import Processor

_OFFERED: tuple[Any, ...] = (None, True, -1, 0, 1.5, "no such text", [], [None], {}, {"no": "such"})
"""Values of every kind, some of which are outside any schema."""

_ELSEWHERE = """
import json, pickle, sys
sys.path[:] = json.loads(sys.argv[1])
from analysis_store.testing.processors import elsewhere
print(json.dumps(elsewhere(*pickle.loads(sys.stdin.buffer.read()))))
"""

Told = dict[str, list[Any]]
"""What is compared of a stream: key -> digest, dtype, shape, form and attributes."""


def check_processor(processor: Processor | str, inputs: InputsLike, **parameters: object) -> None:
    """Prove that results of a processor can be kept and reused, by computing one in a store of its own.

    Parameters
    ----------
    processor : Processor or str
        Or its id.
    inputs : mapping, path, run or list
        Of what it is tried: plain data ``{stream: {key: value}}`` or ``{stream: Dataset}``, which are saved first; a
        `pathlib.Path` of a file; a run; or a list of these. It is called some six times, once in another process.
    **parameters
        Parameters that differ from their defaults.

    Raises
    ------
    ProcessorError
        One or more faults; the message names them all.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 1.0, 21)
    >>> check_processor("peak_statistics", {"primary": {"x": x, "y": np.exp(-x**2)}}, x="x")
    """
    found = get_processor(processor) if isinstance(processor, str) else processor
    try:
        preset = found.preset(**parameters)
    except ParameterError as error:
        raise ProcessorError(f"{found.id} is not proved: the parameters given are refused: {error}") from error
    with (
        tempfile.TemporaryDirectory() as folder,
        AnalysisStore(folder, policy=Policy(require_inputs=False, require_code=False)) as store,
    ):
        bench = _Bench(store, preset, parameters, [_kept(store, one) for one in _listed(inputs)])
        checks = [_documented, _schema, _refusals]
        fresh, faults = _computed(bench)
        if fresh is not None:
            bench.wanted = fresh
            checks += [_twice, _inputs_stay, _defaults, _stored, _elsewhere]
        faults += chain.from_iterable(_guarded(check, bench) for check in checks)
    if faults:
        told = "\n".join(f"* {fault}" for fault in dict.fromkeys(faults))
        raise ProcessorError(f"{found.id} {found.version} is not a processor whose results can be reused:\n{told}")


class ProcessorTests:
    """What every processor has to do. A subclass names it and what it is tried on.

    Examples
    --------
    >>> class TestPeaks(ProcessorTests):
    ...     processor, parameters = "peak_statistics", {"y": "counts"}
    ...
    ...     def inputs(self, folder):
    ...         return {"primary": {"counts": [1.0, 4.0, 2.0]}}
    """

    processor: ClassVar[Any]
    """The processor, or its id."""

    parameters: ClassVar[Mapping[str, Any]] = {}
    """Parameters that differ from their defaults."""

    def inputs(self, folder: Path) -> Any:
        """Return what it is tried on, as `check_processor` takes it; files are made in the folder."""
        raise NotImplementedError(f"{type(self).__name__} has no inputs for the trial. Define inputs(self, folder).")

    def test_results_can_be_reused(self, tmp_path: Path) -> None:
        """It passes `check_processor`."""
        check_processor(self.processor, self.inputs(tmp_path), **self.parameters)


# ---------------------------------------------------------------------------------------------------- the bench


@dataclass
class _Bench:
    store: AnalysisStore
    preset: Preset
    parameters: Mapping[str, Any]
    given: list[str | Path]
    wanted: Told | None = None
    """What the first call returned."""

    def inputs(self) -> Inputs:
        """Return the inputs, looked up again."""
        return Inputs.of(self.given, self.store)

    def call(self, preset: Preset | None = None) -> Told:
        """Return what the function returns."""
        return _result(preset or self.preset, self.inputs())


def _listed(inputs: Any) -> list[Any]:
    return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]


def _kept(store: AnalysisStore, one: Any) -> str | Path:
    """Return an input as another process finds it, too: a file, or a run of the store."""
    if isinstance(one, Path):
        return one
    if type(one) is dict:
        origin = Provenance(origin="synthetic", note="what a processor is tried on")
        return store.insert(gather_returned(one, "inputs"), {}, provenance=origin).uid
    if not hasattr(one, "documents"):
        raise ProcessorError(f"inputs: Got {one!r:.200}; expected plain data in a dict, a pathlib.Path or a run.")
    for name, document in one.documents(fill=True):
        store(name, document)
    return str(one.uid)


def _result(preset: Preset, inputs: Inputs) -> Told:
    value = preset.processor.function(inputs, **preset.values)
    streams = gather_returned(value, preset.processor.id, preset.processor.descriptor_md)
    return _told(FreshInput(streams, "the result"))


def _told(content: Input) -> Told:
    """Return what is to be equal of two results."""
    found = {f"{stream}: {key}": values for stream in content for key, values in content[stream].items()}
    return {
        place: [it.digest(), it.dtype.str, list(it.shape), it.form, {k: it.attrs[k] for k in sorted(it.attrs)}]
        for place, it in found.items()
    }


def _differing(wanted: Told, found: Told) -> Iterator[str]:
    """Yield how two results differ, key by key."""
    for place in dict.fromkeys([*wanted, *found]):
        if place not in found or place not in wanted:
            yield f"{place} is in one of them only"
        elif wanted[place] != found[place]:
            names = ("values", "dtype", "shape", "form", "units or other attributes")
            parts = [name for name, *two in zip(names, wanted[place], found[place], strict=True) if two[0] != two[1]]
            parts = [part for part in parts if part != "values"] or parts  # a digest has dtype and shape in it
            yield f"{place} differs in {' and '.join(parts)}"


def _guarded(check: Callable[[_Bench], Iterable[str]], bench: _Bench) -> list[str]:
    """Return the faults that a check finds; one that raises found one."""
    faults: list[str] = []
    try:
        faults.extend(check(bench))
    except Exception as error:  # noqa: BLE001 - the processor is not ours
        what = (check.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        faults.append(f"{what}: {type(error).__name__}: {error}")
    return faults


# ---------------------------------------------------------------------------------------------------- the checks


def _computed(bench: _Bench) -> tuple[Told | None, list[str]]:
    try:
        return bench.call(), []
    except AnalysisStoreError as error:
        return None, [f"what it returns for these inputs cannot be kept, or it refuses them: {error}"]
    except Exception as error:  # noqa: BLE001 - the processor is not ours
        return None, [f"it raises {type(error).__name__} for these inputs: {error}"]


def _documented(bench: _Bench) -> Iterator[str]:
    """The docstring is read."""
    if not bench.preset.processor.description:
        yield "it has no docstring; its first line is what lists of processors show"


def _schema(bench: _Bench) -> Iterator[str]:
    """The schema is read."""
    schema = bench.preset.processor.parameters.schema
    if not jsonschema_rs.meta.is_valid(schema):
        yield "the schema of its parameters is not a JSON Schema"
        return
    for error in jsonschema_rs.validator_for(schema).iter_errors(bench.preset.parameters):
        yield f"a default, or a parameter that was given, breaks its schema: {error.message}"


def _refusals(bench: _Bench) -> Iterator[str]:
    """Parameters outside the schema are offered."""
    processor = bench.preset.processor
    schema = processor.parameters.schema
    if not jsonschema_rs.meta.is_valid(schema):
        return
    allowed = jsonschema_rs.validator_for(schema)
    offered = [(name, value) for name in processor.parameters for value in _OFFERED]
    for name, value in [("no_such_parameter", 1), *offered]:
        wrong = {**bench.preset.parameters, name: value}
        if allowed.is_valid(wrong):
            continue
        try:
            processor.preset(**wrong)
        except ParameterError:
            continue
        yield f"{name}={value!r} is outside its schema, and is not refused"


def _twice(bench: _Bench) -> Iterator[str]:
    """It is called again."""
    for difference in _differing(bench.wanted or {}, bench.call()):
        yield f"called twice, it returns two things: {difference}"


def _inputs_stay(bench: _Bench) -> Iterator[str]:
    """It is called, and its inputs looked at before and after."""
    inputs = bench.inputs()
    before = [one.path.read_bytes() if one.path else _told(one) for one in inputs]
    _result(bench.preset, inputs)
    for one, was in zip(inputs, before, strict=True):
        if (one.path.read_bytes() if one.path else _told(one)) != was:
            yield f"it changes its input, {one.label}"


def _defaults(bench: _Bench) -> Iterator[str]:
    """It is called with its defaults left out, and spelled out."""
    spelled = Preset(bench.preset.processor, bench.preset.parameters)
    if spelled != bench.preset:
        yield "the defaults spelled out make another preset"
    for difference in _differing(bench.call(spelled), _bare(bench)):
        yield f"the function itself has other defaults than its schema: {difference}"


def _bare(bench: _Bench) -> Told:
    """Return the result with those parameters alone that were given: the function fills the others in."""
    processor = bench.preset.processor
    given = {name: bench.preset.values[name] for name in bench.parameters}
    streams = gather_returned(processor.function(bench.inputs(), **given), processor.id, processor.descriptor_md)
    return _told(FreshInput(streams, "the result"))


def _stored(bench: _Bench) -> Iterator[str]:
    """The result is stored, read back and asked for again."""
    first = bench.store.compute(bench.preset, bench.given)
    for difference in _differing(bench.wanted or {}, _told(Inputs.of(first)[0])):
        yield f"stored and read back, it is another result: {difference}"
    if bench.store.compute(bench.preset, bench.given) != first:
        yield "asked for again, it is computed again"


def _elsewhere(bench: _Bench) -> Iterator[str]:
    """Another process imports it and calls it."""
    sent = pickle.dumps((bench.preset.processor, bench.parameters, bench.store.location, bench.given))
    done = subprocess.run(  # noqa: S603 - this interpreter, with our own code
        [sys.executable, "-c", _ELSEWHERE, json.dumps(sys.path)], input=sent, capture_output=True, check=False
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        yield f"another process cannot run it: {lines[-1]}"
        return
    source, found = json.loads(done.stdout.splitlines()[-1])
    if source != bench.preset.processor.source.digest:
        yield "another process finds other code of it"
    for difference in _differing(bench.wanted or {}, found):
        yield f"another process gets another result: {difference}"


def elsewhere(
    processor: Any, parameters: Mapping[str, Any], location: str, given: list[str | Path]
) -> tuple[str, Told]:
    """Return the digest of the code and the result, as another process finds them."""
    with AnalysisStore(location) as store:
        return processor.source.digest, _result(processor.preset(**parameters), Inputs.of(given, store))
