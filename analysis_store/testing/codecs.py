"""The conformance suite of codecs: subclass it for the types of a package, or for a class of one's own."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from unittest.mock import patch

import h5py
import pytest
from h5py import h5l, h5t
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis_store.codecs import Codec, Plain, decode, dump, load, registry
from analysis_store.codecs.model import PRIMITIVES
from analysis_store.errors import AnalysisStoreError, InvalidDataError, UnknownTypeError
from analysis_store.testing.equality import assert_identical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PACKING = 1200
"""Number of small values that make the engine pack all into columns."""

_SIMPLE = {h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM}

_numbers = count()

_AGAIN = """
import importlib.util, sys
import h5py
module, file, source, target = sys.argv[1:]
spec = importlib.util.spec_from_file_location(module, file)
sys.modules[module] = made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
from analysis_store.codecs import dump, load
with h5py.File(source) as old, h5py.File(target, "w") as new:
    dump(load(old["value"]), new, "value")
"""


class CodecTests:
    """What every codec has to do. A subclass names values, and that is all there has to be.

    The module of the subclass is imported by another process, too: it has to register what it tests.

    Examples
    --------
    >>> from decimal import Decimal
    >>> class TestDecimals(CodecTests):
    ...     values = (Decimal("1.50"), Decimal("-0"))
    """

    values: ClassVar[Iterable[Any] | st.SearchStrategy[Any]]
    """Values of the types in question, or a hypothesis strategy for them."""

    package: ClassVar[str | None] = None
    """First part of the names of the codecs, where it is to be looked at."""

    max_examples: ClassVar[int] = 25
    """How many values each test draws from a strategy."""

    def equal(self, wanted: object, found: object) -> None:
        """Fail where two values differ; `assert_identical`, unless a subclass knows better."""
        assert_identical(wanted, found)

    # ------------------------------------------------------------------------------------------ the codec

    def test_has_a_name(self) -> None:
        """The type has a codec, which is found by its name; the name begins with the package."""

        def check(value: Any) -> None:
            codec = _codec(value)
            assert codec.cls is type(value), f"{codec.name} is the codec of {codec.cls}, not of {type(value)}"
            assert registry.for_name(codec.name).from_state is codec.from_state
            named = codec.name.partition(".")[0]
            assert self.package in {None, named}, f"{codec.name} is named after {named}, not {self.package}"

        self._each(check)

    def test_state_gives_the_value(self) -> None:
        """The state is plainer than the value, and an equal value is made of it."""

        def check(value: Any) -> None:
            state = _codec(value).to_state(value)
            assert state is not value, f"the state of {value!r} is the value itself; expected what it is made of"
            self.equal(value, _codec(value).from_state(state))

        self._each(check)

    def test_versions(self) -> None:
        """A state of a newer version is refused by name, and one of an older needs a way to this one."""

        def check(value: Any) -> None:
            codec = _codec(value)
            state = codec.to_state(value)
            with pytest.raises(AnalysisStoreError, match="version"):
                registry.revive(codec, codec.version + 1, state)
            if codec.migrate is None and codec.version > 1:
                with pytest.raises(AnalysisStoreError, match="version"):
                    registry.revive(codec, codec.version - 1, state)

        self._each(check)

    # ------------------------------------------------------------------------------------------- round trips

    def test_comes_back_alone(self) -> None:
        """A value comes back equal, and dumping has not changed it."""
        self._each(lambda value: self.equal(value, through_file(value)))

    def test_comes_back_in_containers(self) -> None:
        """A value comes back from a list and from a dict, among values of other types."""

        def check(value: Any) -> None:
            listed, keyed = through_file([[None, value, 1.5], {"a": value, "b/c": "text"}])
            self.equal(value, listed[1])
            self.equal(value, keyed["a"])
            assert [listed[0], listed[2], keyed["b/c"]] == [None, 1.5, "text"]

        self._each(check)

    def test_comes_back_in_columns(self) -> None:
        """Many values side by side come back, each in its place, as a small tree and packed."""
        some = self._some()
        apart = [through_file(value) for value in some]  # no two of these are one object
        for packing in ([], [[index] for index in range(_PACKING)]):
            found = through_file({"values": some + apart, "packing": packing, "dicts": [{"x": it} for it in apart]})
            for wanted, came in zip(some + apart, found["values"], strict=True):
                self.equal(wanted, came)
            for wanted, came in zip(apart, found["dicts"], strict=True):
                self.equal(wanted, came["x"])

    def test_one_object_stays_one(self) -> None:
        """Two references to one value come back as two references to one value."""

        def check(value: Any) -> None:
            first, second, inner = through_file([value, value, {"again": value}])
            self.equal(value, first)
            self.equal(value, second)
            if _codec(value).shared:
                assert second is first, f"{value!r} came back twice"
                assert inner["again"] is first, f"{value!r} came back twice"

        self._each(check)

    def test_comes_back_from_a_closed_file(self, tmp_path: Path) -> None:
        """Values are loaded when the file is on a disk, was closed and opened again, and outlive it."""
        some = self._some()
        with h5py.File(tmp_path / "values.h5", "w") as file:
            file["beside"] = 1
            for index, value in enumerate(some):
                dump(value, file.require_group("values"), str(index))
        with h5py.File(tmp_path / "values.h5") as file:
            found = [load(file["values"][str(index)]) for index in range(len(some))]
            assert file["beside"][()] == 1
        for wanted, came in zip(some, found, strict=True):
            self.equal(wanted, came)

    # ---------------------------------------------------------------------------------- without the codec

    def test_comes_back_without_its_codec(self) -> None:
        """Without its codec a value is read in its plain form, which dumped again gives the same file."""

        def check(value: Any) -> None:
            codec = _codec(value)
            with _memory() as old, _memory() as new:
                dump([value], old, "value")
                with _without(self.package or codec.name):
                    with pytest.raises(UnknownTypeError, match="plain"):
                        load(old["value"])
                    plain = load(old["value"], missing="plain")[0]
                    assert (type(plain), plain.type, plain.version) == (Plain, codec.name, codec.version)
                    dump([plain], new, "value")
                assert content(new["value"]) == content(old["value"]), f"the plain form of {value!r} gives another file"
                self.equal(value, load(new["value"])[0])

        self._each(check)

    def test_file_holds_numbers_and_text(self) -> None:
        """The file has groups, numbers and text in it: nothing opaque, no references and no links."""

        def check(value: Any) -> None:
            with _memory() as file:
                dump([value], file, "value")
                assert not (odd := strange(file)), f"{odd} in the file of {value!r}; expected numbers and text"

        self._each(check)

    # -------------------------------------------------------------------------------------------- guarantees

    def test_failed_dump_leaves_nothing(self) -> None:
        """A dump that is refused leaves the group as it was."""

        def check(value: Any) -> None:
            with _memory() as file:
                dump(value, file, "there")
                before = content(file)
                with pytest.raises(InvalidDataError, match=r"obj\['b'\]\[1\]"):
                    dump({"a": value, "b": [value, _Unknown()]}, file, "value")
                assert content(file) == before, f"a refused dump of {value!r} left something"

        self._each(check)

    def test_same_file_twice(self) -> None:
        """Dumped twice, a value gives the same file twice."""

        def check(value: Any) -> None:
            with _memory() as file:
                dump(value, file, "one")
                dump(value, file, "two")
                assert content(file["two"]) == content(file["one"]), f"two files of {value!r} differ"

        self._each(check)

    def test_same_file_in_another_process(self, tmp_path: Path) -> None:
        """Loaded and dumped again by a process that hashes otherwise, values give the same file."""
        old, new = tmp_path / "old.h5", tmp_path / "new.h5"
        with h5py.File(old, "w") as file:
            dump([through_file(value) for value in self._some()], file, "value")
        test = type(self)
        command = [sys.executable, "-c", _AGAIN, test.__module__, inspect.getfile(test), str(old), str(new)]
        environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, done.stderr
        with h5py.File(old) as one, h5py.File(new) as two:
            assert content(two) == content(one), "a process that hashes otherwise gives another file"

    # ------------------------------------------------------------------------------------------------ values

    def _each(self, check: Callable[[Any], None]) -> None:
        values = self.values
        if not isinstance(values, st.SearchStrategy):
            for value in values:
                check(value)
            return

        @settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=self.max_examples, database=None)
        @given(value=values)
        def drawn(value: Any) -> None:
            check(value)

        drawn()

    def _some(self) -> list[Any]:
        values: list[Any] = []
        self._each(values.append)
        return list(islice(values, 50))


class _Unknown:
    """What no codec knows."""

    __slots__ = ()


def through_file(value: Any, **options: Any) -> Any:
    """Return what comes back of a value that is dumped into a file in memory; ``options`` are those of `load`."""
    with _memory() as file:
        dump(value, file, "value")
        return load(file["value"], **options)


def content(item: h5py.Group | h5py.Dataset) -> Any:
    """Return all that an item says: attributes, types, shapes and values, of what is in it too, in order."""
    attributes = {name: _attribute(item, name) for name in sorted(item.attrs)}
    if isinstance(item, h5py.Group):
        return attributes, [(name, content(item[name])) for name in item]
    kind = item.id.get_type()
    return attributes, kind.encode(), item.shape, _values(None if item.shape is None else item[()])


def _values(values: Any) -> Any:
    """Return a form that distinguishes values to the last bit; those of text of variable length are objects."""
    is_packed = hasattr(values, "tobytes") and values.dtype.kind != "O"
    return values.tobytes() if is_packed else repr(getattr(values, "tolist", lambda: values)())


def _attribute(item: h5py.Group | h5py.Dataset, name: str) -> str:
    return repr(item.attrs[name])


def strange(group: h5py.Group) -> list[str]:
    """Return what in a group is neither a group nor a dataset of numbers or text, nor an attribute of these."""
    found = []
    for name in group:
        item = group[name]
        if group.id.links.get_info(name.encode()).type != h5l.TYPE_HARD:
            found.append(f"{group.name}/{name} is a link")
            continue
        kinds = {key: item.attrs.get_id(key).get_type() for key in item.attrs}
        if isinstance(item, h5py.Dataset):
            kinds[""] = item.id.get_type()
        found += [f"{item.name} {key} is {type(kind).__name__}" for key, kind in kinds.items() if not _is_simple(kind)]
        found += strange(item) if isinstance(item, h5py.Group) else []
    return found


def _is_simple(kind: h5t.TypeID) -> bool:
    if isinstance(kind, h5t.TypeCompoundID):
        return all(_is_simple(kind.get_member_type(index)) for index in range(kind.get_nmembers()))
    if isinstance(kind, h5t.TypeArrayID | h5t.TypeVlenID):
        return _is_simple(kind.get_super())
    return kind.get_class() in _SIMPLE


def _codec(value: Any) -> Codec:
    assert type(value) not in PRIMITIVES | {list, dict}, f"{type(value).__name__} needs no codec"
    codec = registry.for_type(type(value))
    assert codec is not None, f"{type(value).__name__} has no codec"
    return codec


@contextmanager
def _memory() -> Iterator[h5py.File]:
    # HDF5 takes two files of one name for one file.
    with h5py.File(f"memory {next(_numbers)}", "w", driver="core", backing_store=False) as file:
        yield file


@contextmanager
def _without(which: str) -> Iterator[None]:
    """Take a codec, or those of a package, away for the length of a ``with``, as if they were not installed."""
    found = registry.for_name

    def for_name(name: str, *types: Any) -> Codec:
        if which in {name, name.partition(".")[0]}:
            raise UnknownTypeError(f'No codec is known for the type {name!r}; missing="plain" reads its plain form.')
        return found(name, *types)

    with patch.object(decode, "for_name", for_name):
        yield
