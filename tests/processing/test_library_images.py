"""Statistics of images: those that NumPy gives, block by block."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_store.core.lazy import InMemory
from analysis_store.errors import InputError
from analysis_store.processing.inputs.inputs import InputStream
from analysis_store.processing.library import images
from analysis_store.processing.library.images import image_statistics
from analysis_store.runs.values.stream_data import StreamData
from tests.processing.library_inputs import Scan, inputs, run


def statistics(stack, **parameters):
    """What is found of a stack."""
    return image_statistics(inputs(run({"image": "counts"}, image=stack, x=np.arange(len(stack)))), **parameters)[
        "primary"
    ]


@pytest.mark.parametrize("dtype", ["u1", "u2", ">i4", "f4", "f8", "?"])
@pytest.mark.parametrize("shape", [(5, 7, 9), (4, 3, 7, 9)])
def test_agrees_with_numpy(dtype, shape):
    """One number per image, or per frame of an event with several, whatever the dtype."""
    stack = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    found, values = statistics(stack), stack.astype(float)

    for name in ("sum", "mean", "std", "min", "max"):
        np.testing.assert_allclose(found[name], getattr(np, name)(values, axis=(-2, -1)), rtol=1e-12)
        assert found[name].attrs == {"units": "counts"}
    np.testing.assert_allclose(found["centroid_x"], (values * np.arange(9)).sum((-2, -1)) / values.sum((-2, -1)))
    np.testing.assert_allclose(
        found["centroid_y"], (values * np.arange(7)[:, None]).sum((-2, -1)) / values.sum((-2, -1))
    )
    assert not found["invalid"].values.any()


def test_blocks_do_not_show(monkeypatch):
    """A stack is read a few images at a time, and the result is the same."""
    stack = np.random.default_rng(0).normal(size=(11, 6, 6))
    whole = statistics(stack)
    monkeypatch.setattr(images, "_BLOCK", 72)

    assert statistics(stack).identical(whole)


class Watched(InMemory):
    """Values of which it is known what was asked for."""

    def __init__(self, values):
        super().__init__(values)
        self.asked = []

    def __getitem__(self, key):
        self.asked.append((key.start, key.stop))
        return super().__getitem__(key)


def test_no_more_than_a_block_is_read(monkeypatch):
    """Of a stack that is larger than memory, some images at a time are asked for."""
    source = Watched(np.zeros((10, 4, 4)))

    class Stack(Scan):
        def __getitem__(self, name):
            return InputStream(name, self.label, {"image": {}}, lambda key: source, lambda: np.zeros(10))

    monkeypatch.setattr(images, "_BLOCK", 48)
    image_statistics(inputs(Stack({"primary": StreamData("primary", {}, 10)}, "a stack")))

    assert source.asked == [(0, 3), (3, 6), (6, 9), (9, 12)]


def test_saturated_pixels():
    """The largest value of an integer dtype is saturated; of floats, what is said to be."""
    stack = np.zeros((1, 4, 4), np.uint16)
    stack[0, 0, :3] = 65535, 65534, 65535

    assert int(statistics(stack)["saturated"][0]) == 2
    assert int(statistics(stack, saturation=65534.0)["saturated"][0]) == 3
    assert int(statistics(stack.astype(float))["saturated"][0]) == 0


def test_pixels_that_are_not_finite():
    """They are counted, and count in nothing else; an image without others has NaN."""
    stack = np.full((2, 4, 4), np.nan)
    stack[1, 1, 1:] = 3.0, np.inf, 5.0
    found = {key: value.values.tolist() for key, value in statistics(stack).items()}

    assert found["invalid"] == [16, 14]
    assert (found["sum"][1], found["mean"][1], found["std"][1]) == (8.0, 4.0, 1.0)
    assert (found["min"][1], found["max"][1], found["centroid_x"][1]) == (3.0, 5.0, 2.25)
    assert np.isnan([found[name][0] for name in ("sum", "mean", "std", "min", "max", "centroid_x", "centroid_y")]).all()


@pytest.mark.parametrize("level", [0, -1000])
def test_constant_images(level):
    """Zeros and a negative constant have no centroid; all else of them is what it is."""
    found = statistics(np.full((1, 3, 5), level))

    assert np.isnan(float(found["centroid_x"][0]))
    assert (float(found["mean"][0]), float(found["std"][0]), float(found["sum"][0])) == (level, 0.0, 15.0 * level)


@pytest.mark.parametrize(
    ("given", "parameters", "message"),
    [
        (run(x=[1, 2]), {}, r"images, \(height, width\) per event, are \[\]; name one"),
        (run(a=np.ones((1, 2, 2)), b=np.ones((1, 2, 2))), {}, r"are \['a', 'b'\]; name one, image=key"),
        (run(a=np.ones((1, 2, 2)), x=[1]), {"image": "x"}, "'x' has none"),
        (run(a=np.ones((1, 2, 2))), {"image": "b"}, "no key 'b'"),
    ],
)
def test_no_images(given, parameters, message):
    """What is no key of images is answered with those that are."""
    with pytest.raises(InputError, match=message):
        image_statistics(inputs(given), **parameters)
