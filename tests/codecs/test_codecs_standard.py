"""The standard library's types: every edge value comes back as it was, and crafted states are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath, WindowsPath
from types import MappingProxyType, SimpleNamespace
from uuid import UUID, SafeUUID, uuid1
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_store.codecs import Plain, registry
from analysis_store.codecs.libraries.standard_containers import ordered
from analysis_store.codecs.libraries.standard_times import _ZONE
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.testing.codecs import CodecTests, through_file
from analysis_store.testing.equality import assert_identical

BERLIN = ZoneInfo("Europe/Berlin")
NAN = float("nan")
TOO_MUCH = 10**12
"""Bytes or items that a state may declare and no machine here could make."""

CONTAINERS = (
    (),
    (1,),
    (1, (2.5, None), [3]),
    ("", b"", 2**70),
    set(),
    {1, 2**70, -1},
    {"b", "a", "\0", "é"},
    {None, True, 2.5, "a", b"a", (1, "a"), ()},
    {1.0, -0.0, float("inf")},
    {frozenset({1, 2}), frozenset({3}), frozenset()},
    {1j, 1 - 2j},
    frozenset(),
    frozenset({1, "a"}),
    bytearray(),
    bytearray(b"\0\xff"),
    deque(),
    deque([1, "a", None], maxlen=3),
    deque(maxlen=0),
    OrderedDict(),
    OrderedDict([("b", 1), ("a", 2), ((1, 2), 3)]),
    defaultdict(None, {"a": 1}),
    defaultdict(list, {"a": [1], "b/c": []}),
    defaultdict(Counter),
    Counter(),
    Counter({"a": 2, 1: -1, None: 0}),
    ChainMap(),
    ChainMap({"a": 1}, {"a": 2, "b": 3}),
    SimpleNamespace(),
    SimpleNamespace(center=1.5, window=(1, 2)),
    slice(None),
    slice(1, 2**70, -1),
    slice("a", (1, 2), None),
    range(0),
    range(5, -(2**70), -3),
    ...,
    NotImplemented,
)
TIMES = (
    datetime.min,  # noqa: DTZ901 - some have no zone
    datetime.max,  # noqa: DTZ901
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 1, 2, 3, 1),  # noqa: DTZ001
    datetime(2024, 2, 29, 1, 2, 3, 1, tzinfo=BERLIN),
    datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
    datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN),
    datetime(2024, 1, 1, fold=1),  # noqa: DTZ001
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "beam time")),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(microseconds=-1))),
    time.min,
    time.max,
    time(1, 2, tzinfo=BERLIN, fold=1),
    time(1, 2, tzinfo=UTC),
    date.min,
    date.max,
    timedelta.min,
    timedelta.max,
    timedelta(microseconds=-1),
    UTC,
    timezone(timedelta(hours=1, seconds=1)),
    timezone(timedelta(0), ""),
    timezone(timedelta(0), "GMT"),
    BERLIN,
    ZoneInfo("Etc/GMT+12"),
    ZoneInfo("America/Argentina/Buenos_Aires"),
)
VALUES = (
    Path(),
    Path("/a/b c/é.h5"),
    PurePosixPath("//a/../b"),
    PureWindowsPath("C:/x/y"),
    PureWindowsPath("//host/share/x"),
    UUID(int=0),
    UUID(int=2**128 - 1),
    UUID(int=5, is_safe=SafeUUID.safe),
    UUID(int=5, is_safe=SafeUUID.unsafe),
    uuid1(),
    *map(Decimal, ("0", "-0", "1.50", "-0E+5", "1E-999999", "Infinity", "-Infinity", "NaN", "-NaN", "NaN123", "sNaN7")),
    Decimal("0." + "123456789" * 20),
    Fraction(0),
    Fraction(-(2**70), 3),
)


class TestContainers(CodecTests):
    """Containers, and what says where in one."""

    values = CONTAINERS


class TestTimes(CodecTests):
    """Times, spans of time and zones."""

    values = TIMES

    def equal(self, wanted, found):
        """Compare zones by what they are, too: two zones of one name and offset may behave differently."""
        assert_identical(wanted, found)
        assert repr(found) == repr(wanted)


class TestValues(CodecTests):
    """Paths, identifiers and exact numbers."""

    values = VALUES

    def equal(self, wanted, found):
        """Compare also whether an identifier was made safely, which `==` does not look at."""
        assert_identical(wanted, found)
        assert getattr(found, "is_safe", None) is getattr(wanted, "is_safe", None)


# ------------------------------------------------------------------------------------------------ drawn values

_NUMBERS = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.fractions()
_SCALARS = _NUMBERS | st.none() | st.text() | st.binary() | st.dates()
_KEYS = st.recursive(
    _SCALARS | st.frozensets(_SCALARS, max_size=3), lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6
)


@settings(max_examples=60, deadline=None)
@given(st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=True), st.sampled_from([0, 1]))
def test_moments(moment, fold):
    """A time on the wall comes back with its zone, in the hour that comes twice and in the one that never comes."""
    moment = moment.replace(fold=fold)

    assert repr(through_file(moment)) == repr(moment)


@settings(max_examples=60, deadline=None)
@given(st.decimals() | st.decimals(allow_nan=False).map(lambda it: it.scaleb(-30) if it.is_finite() else it))
def test_decimals(number):
    """Digits, sign, exponent and the payload of NaN come back."""
    assert through_file(number).as_tuple() == number.as_tuple()


@settings(max_examples=60, deadline=None)
@given(st.sets(_KEYS, max_size=6))
def test_sets(members):
    """Sets of anything hashable come back with members of the same types."""
    assert_identical(ordered(members), ordered(through_file(members)))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_KEYS, st.integers(), max_size=5))
def test_keys(mapping):
    """Anything hashable is the key of a dict, tuples and frozensets inside each other among it."""
    assert_identical(mapping, through_file(mapping))


# ------------------------------------------------------------------------------------------------- one by one


def test_mapping_proxy():
    """A read-only view comes back as a view of a mapping of the same type."""
    found = through_file(MappingProxyType(OrderedDict(b=1, a=[2])))

    assert type(found) is MappingProxyType
    assert found == OrderedDict(b=1, a=[2])
    assert type(found.copy()) is OrderedDict


@pytest.mark.parametrize("nan", [NAN, complex(NAN, 1), Decimal("NaN")])
def test_set_with_nan(nan):
    """NaN, which is not equal to itself, is a member of a set all the same, and lies last."""
    found = through_file({nan, type(nan)(1), type(nan)(2)})

    assert sorted(map(repr, found)) == sorted(map(repr, [nan, type(nan)(1), type(nan)(2)]))
    assert ordered({nan, type(nan)(1)})[-1] is nan


def test_zone_is_that_of_this_process():
    """A zone comes back as the object that its key stands for, so that `is` compares times within it."""
    assert through_file([BERLIN])[0] is BERLIN
    assert through_file(timezone(timedelta(0))) is UTC


def test_every_zone_key_is_known():
    """What is let through as the key of a zone covers every zone that there is."""
    refused = [key for key in available_timezones() if not _ZONE.fullmatch(key)]

    assert refused == []


def test_path_of_the_other_system():
    """A path that cannot be opened on this system comes back in its pure form."""
    codec = registry.for_name("pathlib.WindowsPath")

    assert codec.cls is WindowsPath
    assert_identical(PureWindowsPath("C:/x"), codec.from_state("C:\\x"))


def test_plain_states():
    """What a reader without this package sees are texts and numbers with names."""
    states = {
        value: registry.for_type(type(value)).to_state(value)
        for value in (datetime(2024, 1, 1, 2, tzinfo=UTC), timedelta(1), Decimal("1.50"), Fraction(1, 3), range(2))
    }

    assert list(states.values()) == [
        "2024-01-01T02:00:00+00:00",
        {"days": 1, "seconds": 0, "microseconds": 0},
        "1.50",
        {"numerator": 1, "denominator": 3},
        {"start": 0, "stop": 2, "step": 1},
    ]


def test_time_on_the_wall_outlives_new_rules():
    """Where a zone's rules have changed since, the time on the wall and the zone are kept, not the old offset."""
    codec = registry.for_type(datetime)
    state = codec.to_state(datetime(2024, 7, 1, 12, tzinfo=BERLIN))

    assert codec.from_state({**state, "time": "2024-07-01T12:00:00+07:00"}) == datetime(2024, 7, 1, 12, tzinfo=BERLIN)


class Shade(Enum):
    """Sorts by name."""

    DARK = 1
    BRIGHT = 2


_MEMBERS = """
from datetime import date
from enum import Enum
from pathlib import Path
from analysis_store.codecs.libraries.standard_containers import ordered
Color = Enum("Color", "RED GREEN BLUE")
numbered = {frozenset({"p", "q", "r"}): 1, frozenset({"p", "q"}): 2, frozenset("abc"): 3}
print(ordered({"b", "a", 1, 2.5, None, b"x", ("k", "l"), date(2024, 1, 1), *Color, 1j, "c", Path("a"), Path("b")}))
print([numbered[member] for member in ordered(set(numbered))])
"""


def test_order_does_not_depend_on_hashes():
    """The members of a set lie in one order in every process, so that digests agree."""
    orders = {
        subprocess.run(
            [sys.executable, "-c", _MEMBERS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "1234"
    }

    assert len(orders) == 1


@pytest.mark.parametrize("members", [{Shade.DARK, Shade.BRIGHT}, {(1, "a"), (1, "b"), (0,)}, {date.min, date.max}])
def test_members_of_unknown_types_keep_their_order(members):
    """What a process does not know lies in a set as where it was known, so that the file is the same again."""
    plain = {Plain(codec.name, 1, codec.to_state(it)): it for it in members for codec in [registry.for_type(type(it))]}

    assert [plain[it] for it in ordered(plain)] == ordered(members)


def test_order_of_what_has_none():
    """Members that cannot be stored lie in the order in which the set gives them, until they are refused."""
    members = {Exception, int, 1j}

    assert ordered(members) == list(members)


# --------------------------------------------------------------------------------------------------- refusals


class Text(str):
    """Looks like text."""

    __slots__ = ()


class Table(dict):
    """Looks like a dict."""


def _with_attribute(value):
    value.unit = "mV"
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (defaultdict(lambda: 1), "default_factory=.*lambda.*expected None or one of bool"),
        (defaultdict(os.getcwd), "default_factory='getcwd'"),
        (_with_attribute(OrderedDict(a=1)), r"OrderedDict with the attributes \['unit'\]"),
        (_with_attribute(Counter("a")), r"Counter with the attributes \['unit'\]"),
        (_with_attribute(ChainMap({})), r"ChainMap with the attributes \['unit'\]"),
        (Fraction(2 << (1 << 20)), "bits; expected at most 1048576"),
        (Text("a"), "no codec knows its type"),
        (Table(a=1), "no codec knows its type"),
        (bool, "no codec knows its type"),
        (len, "no codec knows its type"),
    ],
)
def test_refused(value, reason):
    """What would not come back as it was is refused, with its path and what to do."""
    with pytest.raises(InvalidDataError, match=rf"^obj\.values\[1\]: .*{reason}"):
        through_file(SimpleNamespace(values=["a", value]))


def test_zone_without_a_key_is_refused(tmp_path):
    """A zone that was read from a file has no name by which another machine could find it."""
    path = next(Path(folder) / "Europe/Berlin" for folder in _folders_of_zones())
    with path.open("rb") as file:
        zone = ZoneInfo.from_file(file)

    with pytest.raises(InvalidDataError, match=r"obj: Got a ZoneInfo with the key None"):
        through_file(zone)


def _folders_of_zones():
    from importlib.resources import files
    from zoneinfo import TZPATH

    yield from (folder for folder in TZPATH if (Path(folder) / "Europe/Berlin").is_file())
    yield str(files("tzdata") / "zoneinfo")


CRAFTED = [
    ("tuple", "text"),
    ("tuple", (1,)),
    ("set", [[1]]),
    ("set", {"a": 1}),
    ("frozenset", [{}]),
    ("bytearray", TOO_MUCH),
    ("bytearray", [1]),
    ("collections.deque", [1]),
    ("collections.deque", {"items": [1, 2], "maxlen": 1}),
    ("collections.deque", {"items": [1, 2], "maxlen": -1}),
    ("collections.deque", {"items": [1], "maxlen": 2.5}),
    ("collections.deque", {"items": "ab", "maxlen": None}),
    ("collections.deque", {"items": [], "maxlen": None, "more": 1}),
    ("collections.OrderedDict", [["a", 1]]),
    ("collections.Counter", "text"),
    ("collections.defaultdict", {"default_factory": "os.system", "items": {}}),
    ("collections.defaultdict", {"default_factory": "eval", "items": {}}),
    ("collections.defaultdict", {"default_factory": ["list"], "items": {}}),
    ("collections.defaultdict", {"default_factory": None, "items": [1]}),
    ("collections.ChainMap", {"maps": []}),
    ("types.MappingProxyType", "text"),
    ("types.SimpleNamespace", {1: 2}),
    ("types.SimpleNamespace", ["a"]),
    ("slice", {"start": 1}),
    ("range", {"start": 0, "stop": 1.5, "step": 1}),
    ("range", {"start": 0, "stop": 1, "step": 0}),
    ("ellipsis", 1),
    ("datetime.datetime", "yesterday"),
    ("datetime.datetime", 5),
    ("datetime.datetime", {"time": "2024-01-01T00:00:00", "zone": "Europe/Berlin", "fold": 0}),
    ("datetime.datetime", {"time": "2024-01-01T00:00:00", "zone": None, "fold": 7}),
    ("datetime.time", "25:00"),
    ("datetime.date", "2024-02-30"),
    ("datetime.date", 5),
    ("datetime.timedelta", {"days": 10**10, "seconds": 0, "microseconds": 0}),
    ("datetime.timedelta", {"days": 0.5, "seconds": 0, "microseconds": 0}),
    ("datetime.timezone", {"offset": timedelta(days=2), "name": None}),
    ("datetime.timezone", {"offset": timedelta(0), "name": 5}),
    ("zoneinfo.ZoneInfo", "../../../../etc/passwd"),
    ("zoneinfo.ZoneInfo", "/etc/passwd"),
    ("zoneinfo.ZoneInfo", "os.path"),
    ("zoneinfo.ZoneInfo", "Nowhere/City"),
    ("zoneinfo.ZoneInfo", "Europe"),
    ("pathlib.PosixPath", 5),
    ("uuid.UUID", "no"),
    ("uuid.UUID", {"uuid": str(UUID(int=1)), "is_safe": "__class__"}),
    ("decimal.Decimal", "ten"),
    ("decimal.Decimal", 1.1),
    ("fractions.Fraction", f"1e{TOO_MUCH}"),
    ("fractions.Fraction", {"numerator": 1, "denominator": 0}),
    ("fractions.Fraction", {"numerator": (1 << 2**21) + 1, "denominator": (1 << 2**21) - 1}),
    ("fractions.Fraction", {"numerator": "1", "denominator": "3"}),
]


@pytest.mark.parametrize(("name", "state"), CRAFTED)
def test_crafted_states(name, state):
    """A state that nobody dumped is refused by the name of its type; nothing is executed, nothing large is made."""
    with pytest.raises(DamagedFileError, match=f"'{name}' cannot be created from its state"):
        registry.revive(registry.for_name(name), 1, state)


def test_enums_in_sets_lie_by_name():
    """Members of an Enum cannot be compared, but their names can."""
    assert ordered({Shade.DARK, Shade.BRIGHT}) == [Shade.BRIGHT, Shade.DARK]
