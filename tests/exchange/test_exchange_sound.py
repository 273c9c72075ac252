"""FLAC and WAV, read back sample by sample by soundfile."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from analysis_store import insert_analysis
from analysis_store.errors import ExportError, KeyNotFoundError
from analysis_store.exchange import export

RNG = np.random.default_rng(0)
PCM_16 = RNG.integers(-(2**15), 2**15, 3000, np.int16)
PCM_24 = RNG.integers(-(2**23), 2**23, 3000, np.int32) << 8
PCM_32 = RNG.integers(-(2**31), 2**31, 3000, np.int32)
RATED = {"s": {"data_keys": {"signal": {"sampling_rate": 44100, "units": "V"}}}}


@pytest.fixture
def save(store, origin):
    """Save data as one run."""

    def save(data, md=None, descriptor_md=RATED):
        return insert_analysis(data, md or {}, provenance=origin, store=store, descriptor_md=descriptor_md)

    return save


def heard(run, form, dtype, **options):
    """Return the samples that soundfile reads, their rate, and how they are kept."""
    with soundfile.SoundFile(io.BytesIO(export(run, None, form, **options))) as sound:
        return sound.read(dtype=dtype), sound.samplerate, sound.subtype


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize(
    ("form", "samples", "subtype"),
    [
        ("wav", PCM_16, "PCM_16"),
        ("wav", PCM_32, "PCM_32"),
        ("wav", PCM_24, "PCM_32"),
        ("wav", RNG.normal(size=3000), "DOUBLE"),
        ("wav", RNG.normal(size=3000).astype("f4"), "FLOAT"),
        ("flac", PCM_16, "PCM_16"),
        ("flac", PCM_24, "PCM_24"),
    ],
)
def test_samples_are_exact(save, form, samples, subtype, channels):
    """What goes out comes back, sample by sample, channel by channel, at its rate."""
    signal = samples.reshape(-1, channels) if channels > 1 else samples
    read, rate, kept = heard(save([{"s": {"signal": signal}}]), form, str(samples.dtype))

    np.testing.assert_array_equal(read, signal)
    assert (rate, kept) == (44100, subtype)


@pytest.mark.parametrize("dtype", ["i1", "u1", ">i2", "<i8", ">u4", "<u2"])
@pytest.mark.parametrize("form", ["wav", "flac"])
def test_other_integers(save, form, dtype):
    """Integers of other widths keep their values, where these fit."""
    values = np.arange(100).astype(dtype)

    np.testing.assert_array_equal(heard(save([{"s": {"signal": values}}]), form, "int16")[0], values)


def test_wide_integers(save):
    """Values beyond 16 bits take 32 in WAV; beyond these they are refused."""
    values = np.array([0, 2**31 - 1, -(2**31)] * 10)
    np.testing.assert_array_equal(heard(save([{"s": {"signal": values}}]), "wav", "int32")[0], values)

    with pytest.raises(ExportError, match=r"exceeds 32 bits.*export to hdf5 or npz"):
        export(save([{"s": {"signal": values * 2}}]), None, "wav")


def test_special_floats(save):
    """WAV keeps floats beyond full scale, NaN and infinity bit for bit; half floats become single."""
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 1e300, 5e-324] * 4)
    read, _, _ = heard(save([{"s": {"signal": values}}]), "wav", "float64")
    assert read.tobytes() == values.tobytes()

    half = np.linspace(-2, 2, 20).astype("f2")
    read, _, kept = heard(save([{"s": {"signal": half}}]), "wav", "float32")
    np.testing.assert_array_equal(read, half)
    assert kept == "FLOAT"


@pytest.mark.parametrize(("samples", "bits"), [(PCM_16, 16), (PCM_24 >> 8, 24)])
def test_floats_of_a_recording(save, samples, bits):
    """Floats that a reader made of integers go back into FLAC exactly; so does full scale downwards, not upwards."""
    signal = samples / 2.0 ** (bits - 1)
    signal[0] = -1.0
    read, _, kept = heard(save([{"s": {"signal": signal}}]), "flac", "float64")

    np.testing.assert_array_equal(read, signal)
    assert kept == f"PCM_{bits}"


@pytest.mark.parametrize(
    "samples", [PCM_32, RNG.normal(size=3000), np.ones(30), np.full(30, np.nan), PCM_32.astype(int) << 9]
)
def test_flac_refuses_what_it_would_change(save, tmp_path, samples):
    """What FLAC cannot keep exactly is refused, with the format that can, and no file is made."""
    with pytest.raises(ExportError, match=r"FLAC cannot keep these values exactly.*Export to wav"):
        export(save([{"s": {"signal": samples}}]), tmp_path / "out.flac")
    assert list(tmp_path.glob("*.flac")) == []


def test_long_signal(save):
    """A signal that is longer than what is written at a time is whole."""
    told = []
    signal = np.arange(2_500_000).astype(np.int16)
    run = save([{"s": {"signal": signal}}])
    read, _, _ = heard(run, "flac", "int16", progress=lambda done, total: told.append((done, total)))

    np.testing.assert_array_equal(read, signal)
    assert told[-1] == (2_500_000, 2_500_000)


def test_where_the_rate_is_told(save):
    """The rate is that of the key, else that of the run; a name of it is as good as another."""
    data = [{"s": {"signal": PCM_16}}]
    assert heard(save(data, {"sample_rate": 8000.0}, None), "wav", "int16")[1] == 8000
    assert heard(save(data, {"samplerate": 8000}), "wav", "int16")[1] == 44100


@pytest.mark.parametrize(
    ("md", "message"),
    [
        ({}, r"rate of 'signal' of stream 's' is not known; expected sampling_rate or sample_rate .*, in Hz"),
        ({"sample_rate": 12.5}, r"is 12\.5; a sound file keeps a whole number"),
        ({"sample_rate": "44.1 kHz"}, r"is '44\.1 kHz'; a sound file keeps a whole number"),
        ({"sample_rate": float("nan")}, r"is nan; a sound file"),
        ({"sample_rate": True}, r"is True; a sound file"),
        ({"sample_rate": 0}, r"has 0 samples per second; FLAC takes 1 to 655350"),
        ({"sample_rate": 10**6}, r"has 1000000 samples per second; FLAC takes 1 to 655350"),
    ],
)
def test_rate_that_is_none(save, md, message):
    """A rate that is missing, or that a sound file cannot have, is said so."""
    with pytest.raises(ExportError, match=message):
        export(save([{"s": {"signal": PCM_16}}], md, None), None, "flac")


def test_which_signal(save):
    """The key with a rate is taken among several; where none stands out, the names are told."""
    data = [{"s": {"time": np.arange(3000.0), "signal": PCM_16, "n": 1}}]
    np.testing.assert_array_equal(heard(save(data), "wav", "int16")[0], PCM_16)

    run = save(data, {"sample_rate": 8000}, None)
    with pytest.raises(ExportError, match="several signals: time, signal; choose one with key="):
        export(run, None, "wav")
    np.testing.assert_array_equal(heard(run, "wav", "int16", key="signal")[0], PCM_16)
    with pytest.raises(ExportError, match="has no signal"):
        export(save([{"s": {"name": "a"}}], None, None), None, "wav")
    with pytest.raises(KeyNotFoundError, match="no key 'nope'"):
        export(run, None, "wav", key="nope")


def test_event(save):
    """Of several events one is named; numbers of all events are one signal."""
    run = save({"s": {"signal": PCM_16.reshape(3, 1000)}})
    np.testing.assert_array_equal(heard(run, "wav", "int16", event=2)[0], PCM_16[2000:])
    with pytest.raises(ExportError, match="a signal in each of 3 events; choose one with event="):
        export(run, None, "wav")

    np.testing.assert_array_equal(heard(save({"s": {"signal": PCM_16}}), "wav", "int16")[0], PCM_16)


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (np.zeros((10, 9), "i2"), "has 9 channels; FLAC takes 1 to 8"),
        (np.zeros((2, 3, 4), "i2"), r"int16 of shape \(2, 3, 4\); a sound file takes"),
        (np.zeros(20, complex), r"complex128 of shape \(20,\)"),
        ("text", "holds|no signal"),
    ],
)
def test_no_signal(save, signal, message):
    """What is no signal is refused."""
    with pytest.raises(ExportError, match=message):
        export(save([{"s": {"signal": signal}}]), None, "flac", key="signal")


def test_origin_is_told(save):
    """The file says which run it came from."""
    run = save([{"s": {"signal": PCM_16}}])
    with soundfile.SoundFile(io.BytesIO(export(run, None, "flac"))) as sound:
        assert (sound.title, sound.comment) == ("signal", f"run {run.uid}, stream s")
