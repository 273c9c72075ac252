"""Whatever value hypothesis thinks of: what is exported comes back."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import AnalysisStoreError, InvalidDataError
from analysis_store.exchange import FORMATS, export, read_export
from analysis_store.exchange.formats import json as as_json
from analysis_store.exchange.formats import xml_values
from analysis_store.exchange.formats import yaml as as_yaml
from analysis_store.exchange.tree import from_tree, to_tree
from analysis_store.testing import strategies
from analysis_store.testing.equality import assert_identical
from tests.sweeps import some

pytestmark = pytest.mark.properties

ORIGIN = Provenance(origin="synthetic", note="a property")
READABLE = ("json", "yaml", "xml", "npz", "hdf5", "nexus")

THROUGH = {
    "json": lambda tree: as_json.loads(as_json.dumps(tree), "the text"),
    "yaml": lambda tree: yaml.safe_load(as_yaml.dumps([tree]))[0],
    "xml": lambda tree: xml_values.tree_of(ElementTree.fromstring("".join(xml_values.elements(tree)))),
}
"""A tree through the text of each format; YAML and XML are read by libraries that know nothing of us."""


def assert_equal(wanted: object, found: object) -> None:
    """Fail where values differ in more than text can tell: which NaN it is, and what is one object in two places."""
    try:
        assert_identical(wanted, found)
    except AssertionError as error:
        told, again = (as_json.dumps(to_tree(value)) for value in (wanted, found))
        if "came back as two" not in str(error) and b"nan" not in told:
            raise
        assert told == again


@pytest.mark.parametrize("form", some(THROUGH, 2))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=strategies.objects())
def test_objects(form, value):
    """Any object that has a codec comes back from a text, equal in value and type, unless it contains itself."""
    try:
        tree = to_tree(value)
    except InvalidDataError as error:
        assert "contains itself" in str(error)
        assume(False)

    assert_equal(value, from_tree(THROUGH[form](tree)))


@pytest.mark.parametrize("form", THROUGH)
@settings(deadline=None)
@given(array=strategies.arrays())
def test_arrays(form, array):
    """Any array comes back from a text, equal in values, dtype and shape."""
    assert_equal(array, from_tree(THROUGH[form](to_tree(array))))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[AnalysisStore]:
    """One store for all runs."""
    with AnalysisStore(tmp_path_factory.mktemp("home") / "store") as opened:
        yield opened


def names() -> st.SearchStrategy[str]:
    """Return a strategy for data keys: any text that event-model takes for one."""
    return texts().filter(lambda text: text and "." not in text and "/" not in text)


def texts() -> st.SearchStrategy[str]:
    """Return a strategy for names and units."""
    return strategies.texts.filter(lambda text: "\0" not in text)


COLUMNS = st.one_of(strategies.columns(), strategies.ragged(), st.lists(strategies.objects(4), max_size=3))


@pytest.mark.parametrize("form", some(READABLE, 2))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(key=names(), stream=names(), column=COLUMNS.filter(len), units=texts())
def test_runs(home, tmp_path_factory, form, key, stream, column, units):
    """A run of any column comes back from a file: documents, values, units and dims."""
    extra = {stream: {"data_keys": {key: {"units": units}}}}
    try:
        run = home.insert({stream: {key: column}}, {}, provenance=ORIGIN, descriptor_md=extra)
    except AnalysisStoreError:
        assume(False)
    wanted = run[stream][key]
    target = tmp_path_factory.mktemp("out") / f"run{FORMATS[form].suffix}"
    try:
        export(run, target)
    except InvalidDataError as error:  # text cannot hold a value that contains itself
        assert "contains itself" in str(error)
        assume(False)
    found = read_export(target)

    assert found.metadata == {"start": run.start, "stop": run.stop, "descriptors": run.descriptors}
    assert_equal(wanted.read(), found.streams[stream][key])
    assert (found.streams[stream].units(key) or "") == units
    assert found.streams[stream].dims(key) == wanted.dims
    assert_equal(run[stream].times, found.streams[stream].time)
