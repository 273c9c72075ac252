"""The public suite of codecs, run on those of packages that may be missing."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_store.testing import CodecTests
from tests.sweeps import slowly

neo = pytest.importorskip("neo")
pint = pytest.importorskip("pint")
pq = pytest.importorskip("quantities")

units = pint.get_application_registry()


class TestQuantities(CodecTests):
    package = "quantities"
    values = (
        1e-6 * pq.s,
        pq.Quantity(np.arange(6, dtype=">i2").reshape(2, 3), "kg*m**2/s**2"),
        pq.Quantity(2.0, pq.m.dimensionality**10),
        2.0 * pq.CompoundUnit("1/cm**3") / pq.s,
        4.0 * pq.UnitQuantity("furlong_of_mine", 201.168 * pq.m, symbol="fur"),
        pq.UncertainQuantity([1.0, 2.0], "mV", [0.1, 0.2]),
        pq.mV,
        pq.dimensionless,
    )
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)


class TestPint(CodecTests):
    package = "pint"
    values = (
        units.Quantity(1e-6, "s"),
        units.Quantity(np.arange(6.0).reshape(2, 3), "m**0.5"),
        units.Quantity(21.5, "degC"),
        units.meter,
    )
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)


def recording():
    """A block in which a group refers to what a segment holds."""
    block, segment = neo.Block(name="cell", species="mouse"), neo.Segment(index=0)
    block.segments.append(segment)
    segment.analogsignals.append(neo.AnalogSignal([[1.0, 2.0]] * pq.mV, sampling_rate=1 * pq.kHz, t_start=1e-6 * pq.s))
    segment.spiketrains.append(neo.SpikeTrain([1.0, 2.0] * pq.ms, t_stop=5.0, array_annotations={"size": [3, 4]}))
    block.groups.append(neo.Group(objects=[segment.spiketrains[0]], name="unit"))
    return block


class TestNeo(CodecTests):
    package = "neo"
    values = (
        neo.AnalogSignal(np.ones((3, 2)) * pq.mV, sampling_rate=1 * pq.kHz, array_annotations={"channel": ["a", "b"]}),
        neo.IrregularlySampledSignal([0.0, 1.5] * pq.ms, [1.0, np.nan] * pq.pA),
        neo.Event([1.0, 2.0] * pq.s, labels=["on", "off"]),
        neo.Epoch([1.0, 2.0] * pq.s, durations=[100, 200] * pq.ms, labels=["a", "b"]),
        recording(),
    )
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)
