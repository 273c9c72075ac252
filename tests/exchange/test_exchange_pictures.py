"""PNG, read back by Pillow: images pixel by pixel, plots as matplotlib draws them."""

from __future__ import annotations

import io

import event_model
import numpy as np
import pytest
from PIL import Image

from analysis_store import insert_analysis
from analysis_store.errors import ExportError, KeyNotFoundError
from analysis_store.exchange import export

MAGENTA = [255, 0, 255]


@pytest.fixture
def save(store, origin):
    """Save data as one run."""

    def save(data, **options):
        return insert_analysis(data, {"sample_name": "Fe foil"}, provenance=origin, store=store, **options)

    return save


def opened(run, **options) -> Image.Image:
    """Return the picture of a run."""
    picture = Image.open(io.BytesIO(export(run, None, "png", **options)))
    picture.load()
    return picture


@pytest.mark.parametrize(("shape", "mode"), [((20, 30), "L"), ((20, 30, 3), "RGB"), ((20, 30, 4), "RGBA")])
def test_bytes_are_pixels(save, shape, mode):
    """An image of bytes, grey or coloured, is written at its own pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    picture = opened(save([{"s": {"frame": pixels}}]))

    assert picture.mode == mode
    np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert picture.text["Description"] == "Pixels are the values."


@pytest.mark.parametrize("dtype", ["<u2", ">i4", "<u8", "<f4", ">f8", "<f2"])
def test_contrast_is_told(save, dtype):
    """Other numbers are spread from the least to the greatest, which the file tells, with the unit."""
    values = np.linspace(100, 1375, 52).reshape(4, 13).astype(dtype)
    keys = {"s": {"data_keys": {"frame": {"units": "counts"}}}}
    run = save([{"s": {"frame": values}}], descriptor_md=keys)
    picture = opened(run)

    expected = np.round((values.astype(float) - 100) / (float(values.max()) - 100) * 255)
    assert np.abs(np.asarray(picture).astype(float) - expected).max() <= 1
    assert picture.size == (13, 4)
    assert f"0 is {values.min().item()}, 255 is {values.max().item()} counts, linear" in picture.text["Description"]
    assert picture.text["Source"] == f"run {run.uid}, event 0"
    assert picture.text["Title"] == "frame of stream s"


def test_nan_is_seen(save):
    """What is no number has a colour that no grey image has; infinities are black and white."""
    values = np.array([[0.0, 1.0, 2.0], [np.nan, np.inf, -np.inf]] * 10)
    pixels = np.asarray(opened(save([{"s": {"frame": values}}])))

    assert pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert pixels[1].tolist() == [MAGENTA, [255] * 3, [0] * 3]


@pytest.mark.parametrize("value", [7.0, np.nan, -1.7e308])
def test_flat_and_extreme(save, value):
    """Images of one value, of none, and over the whole range of floats are drawn without a warning."""
    values = np.full((5, 6), value)
    values[0, 0] = value if np.isnan(value) or value == 7 else 1.7e308
    pixels = np.asarray(opened(save([{"s": {"frame": values}}])))

    assert pixels[3, 3].tolist() == (MAGENTA if np.isnan(value) else 0)
    assert pixels[0, 0].tolist() == (MAGENTA if np.isnan(value) else 0 if value == 7 else 255)


def test_bools(save):
    """A mask is black and white."""
    mask = np.eye(6, dtype=bool)

    assert np.array_equal(np.asarray(opened(save([{"s": {"mask": mask}}]), key="mask")) == 255, mask)


def test_event_and_key(save):
    """A key and an event are chosen; without an event it is the first."""
    stack = np.arange(3 * 20, dtype=np.uint8).reshape(3, 4, 5)
    run = save({"s": {"other": np.zeros((3, 4, 4), np.uint8), "stack": stack}})

    np.testing.assert_array_equal(np.asarray(opened(run, key="stack")), stack[0])
    np.testing.assert_array_equal(np.asarray(opened(run, key="stack", event=-1)), stack[2])
    with pytest.raises(ExportError, match="there is no event 3"):
        opened(run, key="stack", event=3)


def test_curve(save):
    """A spectrum becomes a plot with title, axes and units; a dollar in a name is no formula."""
    energy = np.linspace(7000.0, 7400.0, 101)
    keys = {"s": {"data_keys": {"energy": {"units": "eV"}, "mu": {"units": r"$\frac"}}}}
    run = save([{"s": {"energy": energy, "mu": np.arctan(energy - 7112)}}], descriptor_md=keys)
    picture = opened(run)

    assert picture.size == (1200, 800)
    assert picture.text["Title"] == "mu of stream s"
    assert (np.asarray(picture.convert("L")) < 128).sum() > 2000


def test_curve_has_the_axis_of_the_default_plot(save):
    """What is drawn differs as soon as the axis does: it is energy, not the index."""
    mu = np.arctan(np.linspace(-10, 10, 101))
    even, uneven = np.linspace(0.0, 1.0, 101), np.linspace(0.0, 1.0, 101) ** 3
    first, second = (save([{"s": {"energy": energy, "mu": mu}}]) for energy in (even, uneven))

    assert not np.array_equal(np.asarray(opened(first))[200:600], np.asarray(opened(second))[200:600])


def test_scan_and_ragged(save):
    """Numbers of many events are a plot of the stream, arrays of different length are plotted by themselves."""
    scan = save({"s": {"x": np.arange(9.0), "y": np.arange(9.0) ** 2}})
    ragged = save([{"s": {"y": np.arange(20.0 + i)}} for i in range(2)])

    assert opened(scan).size == (1200, 800)
    assert opened(ragged, key="y", event=1).size == (1200, 800)


def test_numbers_of_others(open_store):
    """Lists of different length, as foreign documents have them, are drawn; what is no number is refused."""
    for value in ([1, 2.5, 3], "text", {"a": 1}):
        key = {"x": {"dtype": "array", "shape": [3], "source": "sim"}}
        bundle = event_model.compose_run()
        described = bundle.compose_descriptor(name="primary", data_keys=key)
        documents = [("start", bundle.start_doc), ("descriptor", described.descriptor_doc)]
        documents += [("event", described.compose_event(data={"x": x}, timestamps={"x": 1.0})) for x in (value, [1, 2])]
        for name, doc in [*documents, ("stop", bundle.compose_stop())]:
            open_store(name, doc)
        if isinstance(value, list):
            assert opened(open_store[-1]).size == opened(open_store[-1], event=1).size == (1200, 800)
        else:
            with pytest.raises((ExportError, KeyNotFoundError), match=r"cannot be drawn|Cannot draw a picture"):
                opened(open_store[-1])


def test_stream(save):
    """The first stream with numbers is drawn, or the one that is named."""
    run = save({"names": {"a": ["x", "y"]}, "one": {"x": np.arange(3.0)}, "two": {"z": np.arange(3.0)}})

    assert opened(run).text["Title"] == "x of stream one"
    assert opened(run, stream="two").text["Title"] == "z of stream two"


def test_nothing_to_draw(save, tmp_path):
    """Text, cubes, numbers that are not real and images without pixels are refused, and no file is made."""
    run = save(
        [{"s": {"name": "a", "cube": np.zeros((3, 4, 5)), "z": np.zeros(20, complex), "none": np.zeros((0, 5))}}]
    )
    for key, message in {
        "cube": r"is of shape \(3, 4, 5\) and float64 in each event\. Export to hdf5 or npz",
        "none": r"Cannot draw a picture: the image has the shape \(0, 5\)",
    }.items():
        with pytest.raises(ExportError, match=message):
            export(run, tmp_path / "out.png", key=key)
    for key in ("z", "name"):
        with pytest.raises(KeyNotFoundError, match=f"'{key}'"):
            export(run, tmp_path / "out.png", key=key)
    with pytest.raises(ExportError, match=r"Cannot draw a picture: .* has no numbers to draw"):
        export(save([{"s": {"name": "a"}}]), tmp_path / "out.png")
    assert list(tmp_path.glob("*.png")) == []
