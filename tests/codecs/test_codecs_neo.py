"""Objects of the package neo in a file: data, containers, and the links between them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from analysis_store.codecs.registry import for_type, revive
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.testing.codecs import through_file
from analysis_store.testing.equality import assert_identical

neo = pytest.importorskip("neo")

import quantities as pq  # noqa: E402 - neo brings it
from neo.core.regionofinterest import (  # noqa: E402
    CircularRegionOfInterest,
    PolygonRegionOfInterest,
    RectangularRegionOfInterest,
)
from neo.core.spiketrainlist import SpikeTrainList  # noqa: E402


def analog(**more):
    """A signal of two channels that starts a microsecond late."""
    return neo.AnalogSignal(
        np.arange(6.0).reshape(3, 2) * pq.mV,
        sampling_rate=1 * pq.kHz,
        t_start=1e-6 * pq.s,
        name="Vm",
        description="membrane",
        file_origin="cell.abf",
        array_annotations={"channel": ["soma", "dendrite"], "gain": [0.1, 0.2] * pq.dimensionless},
        **more,
    )


def irregular():
    """A signal with its own times."""
    return neo.IrregularlySampledSignal([0.0, 1.5, 7.0] * pq.ms, [[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]] * pq.pA)


def images():
    """A film of two frames."""
    film = np.arange(24, dtype="u2").reshape(2, 3, 4)
    return neo.ImageSequence(film, units="V", sampling_rate=3 * pq.Hz, spatial_scale=0.25 * pq.um, t_start=2 * pq.s)


def spikes(**more):
    """Two spikes with their forms."""
    return neo.SpikeTrain(
        [1.25, 2.5] * pq.ms,
        t_start=0.5,
        t_stop=5.0,
        waveforms=np.arange(6.0).reshape(2, 1, 3) * pq.mV,
        left_sweep=0.1 * pq.ms,
        sampling_rate=20 * pq.kHz,
        array_annotations={"amplitude": [3.0, 4.0] * pq.mV},
        **more,
    )


def event():
    """Two moments."""
    return neo.Event([1.0, 2.0] * pq.s, labels=["on", "off"], array_annotations={"trial": [1, 2]}, channel="TTL")


def epoch():
    """Two spans."""
    return neo.Epoch([1.0, 2.0] * pq.s, durations=[100, 200] * pq.ms, labels=["a", "bb"], name="puff")


def trains():
    """Spikes of two neurons as one array of times."""
    return SpikeTrainList.from_spike_time_array(
        np.array([0.1, 0.2, 0.3]), np.array([0, 1, 1]), [0, 1], units="s", t_stop=1 * pq.s, electrode=["q", "r"]
    )


def block():
    """A recording in which groups and views refer to what the segments hold."""
    made = neo.Block(
        name="cell 3", rec_datetime=datetime(2024, 5, 6, 7, 8, 9, 10, UTC), index=3, species="mouse", ages=[1, 2]
    )
    for index in range(2):
        segment = neo.Segment(name=f"sweep {index}", index=index, temperature=21.5)
        made.segments.append(segment)
        segment.analogsignals.append(analog(sweep=index))
        segment.irregularlysampledsignals.append(irregular())
        segment.imagesequences.append(images())
        segment.spiketrains.extend([spikes(unit=1), spikes(unit=2)])
        segment.events.append(event())
        segment.epochs.append(epoch())
    first = made.segments[0]
    view = neo.ChannelView(first.analogsignals[0], np.array([1], "i2"), array_annotations={"depth": [3.0]}, name="view")
    region = RectangularRegionOfInterest(first.imagesequences[0], 1, 2, width=3, height=4, name="soma")
    inner = neo.Group(objects=[made.segments[1].spiketrains[0]], allowed_types=[neo.SpikeTrain], name="inner")
    outer = neo.Group(objects=[first.spiketrains[0], view, inner], name="outer", quality="good")
    outer.regionsofinterest.append(region)  # its add() does not know where regions belong
    made.groups.append(outer)
    return made


@pytest.mark.parametrize("make", [analog, irregular, images, spikes, event, epoch, trains, block])
def test_comes_back(make):
    """All that an object of neo says of itself comes back: data, units, annotations, names, links."""
    assert_identical(make(), through_file(make()))


def test_views_and_regions():
    """Views and regions come back on the very signal that they show."""
    signal, film = analog(), images()
    views = [
        neo.ChannelView(signal, [True, False]),
        CircularRegionOfInterest(film, 1, 1, 1.5),
        RectangularRegionOfInterest(film, 1.5, 2, 3, 4),
        PolygonRegionOfInterest(film, (0.0, 0.0), (1, 0), (1, 1), name="triangle"),
    ]
    found = through_file({"signal": signal, "film": film, "views": views})
    assert_identical({"signal": signal, "film": film, "views": views}, found)
    assert found["views"][0].obj is found["signal"]
    assert found["views"][3].resolve is not None


def test_block_keeps_identity():
    """What a group refers to is what a segment holds, and parts know what holds them."""
    found = through_file(block())
    first, second = found.segments
    outer = found.groups[0]
    assert outer.spiketrains[0] is first.spiketrains[0]
    assert outer.channelviews[0].obj is first.analogsignals[0]
    assert outer.regionsofinterest[0].image_sequence is first.imagesequences[0]
    assert outer.groups[0].spiketrains[0] is second.spiketrains[0]
    assert outer.groups[0].allowed_types == (neo.SpikeTrain,)
    assert all(part.segment is first for part in first.data_children)
    assert all(part.block is found for part in (first, second, outer))
    found.check_relationships()


def test_slices():
    """A part of a signal or of spikes is stored as what it is."""
    values = [analog()[1:], analog()[:, 1:], spikes()[:1], event()[1:], epoch()[:0], analog().time_slice(None, None)]
    assert_identical(values, through_file(values))


def test_exact_times():
    """A microsecond is a microsecond, in the units that it was given in."""
    found = through_file(neo.AnalogSignal([1.0, 2.0] * pq.mV, sampling_period=1e-6 * pq.s, t_start=1e-6 * pq.s))
    assert found.t_start == 1e-6 * pq.s
    assert found.t_start.dimensionality.string == "s"
    assert found.sampling_rate == 1 / (1e-6 * pq.s)


def test_attributes_of_a_user():
    """Attributes that a user gave an object come back; a link to what holds it is not one."""
    signal = analog()
    signal.filter = {"cutoff": 3.0 * pq.kHz}
    signal.segment = neo.Segment()
    found = through_file(signal)
    assert found.filter == {"cutoff": 3.0 * pq.kHz}
    assert found.segment is None


def test_trains_stay_as_they_lie():
    """A list of spike trains that lies as one array is stored so, and not taken apart by storing it."""
    made = trains()
    found = through_file(made)
    assert made._items is None
    assert found._items is None
    assert [train.annotations["electrode"] for train in found] == ["q", "r"]


def test_lazy_data_are_refused():
    """What neo has not read yet is refused by name, with the path to it."""
    from neo.io.proxyobjects import AnalogSignalProxy

    held = neo.Segment()
    held._analogsignals._items.append(object.__new__(AnalogSignalProxy))  # a proxy opens no file before it loads
    with pytest.raises(InvalidDataError, match=r"obj\.analogsignals\[0\].*AnalogSignalProxy,.*load\(\)"):
        through_file(held)


def test_states_read_well():
    """A reader without the library sees magnitudes, units and names."""
    state = for_type(neo.Epoch).to_state(epoch())
    assert set(state) == {
        "annotations",
        "array_annotations",
        "description",
        "durations",
        "file_origin",
        "labels",
        "magnitude",
        "name",
        "units",
    }
    assert state["units"] == "s"


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (analog, {"magnitude": np.arange(3.0)}),
        (analog, {"magnitude": [1, 2]}),
        (analog, {"units": "evil"}),
        (analog, {"annotations": 3}),
        (analog, {"sampling_rate": "1 kHz"}),
        (epoch, {"labels": ["a", "b"]}),
        (analog, {"attributes": {"rescale": 3}}),
        (analog, {"attributes": {"__class__": 3}}),
        (analog, {"attributes": {"_t_start": 3}}),
        (analog, {"attributes": {3: 3}}),
        (analog, {"array_annotations": {"a": "text"}}),
        (neo.Segment, {"analogsignals": [3]}),
        (neo.Segment, {"analogsignals": [event()]}),
        (neo.Segment, {"analogsignals": None}),
        (neo.Segment, {"spiketrains": []}),
        (neo.Block, {"segments": [neo.Block()]}),
        (neo.Block, {"groups": 7}),
        (neo.Group, {"allowed_types": ["os.system"]}),
        (lambda: neo.ChannelView(analog(), [0]), {"obj": event()}),
        (lambda: neo.ChannelView(analog(), [0]), {"index": 3}),
        (lambda: CircularRegionOfInterest(images(), 1, 1, 1), {"image_sequence": None}),
        (lambda: SpikeTrainList(items=[spikes()]), {"items": [3]}),
        (lambda: SpikeTrainList(items=[spikes()]), {"items": range(2**60)}),
    ],
)
def test_crafted_states(make, change):
    """A state that somebody changed is refused."""
    value = make()
    codec = for_type(type(value))
    with pytest.raises(DamagedFileError, match="cannot be created from its state"):
        revive(codec, 1, {**codec.to_state(value), **change})


def test_state_without_end():
    """A state that is a range of quintillions is refused as soon as any other."""
    with pytest.raises(DamagedFileError, match="expected a dict"):
        revive(for_type(SpikeTrainList), 1, range(2**60))
