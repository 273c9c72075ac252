"""Level and spectrum of sound files."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from analysis_store.errors import InputError, MissingDependencyError
from analysis_store.processing.library.curves import Floats, expected
from analysis_store.processing.model.processor import processor

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import Inputs

_BLOCK = 1 << 20
"""Samples read at once."""

FLOOR = -200.0
"""Level of silence, dBFS: lower than any sample of 32 bits, so that no level is minus infinity."""


@processor(
    id="audio_level",
    version="1",
    descriptor_md={
        "primary": {
            "data_keys": {
                "max": {"units": "dBFS"},
                "rms": {"units": "dBFS"},
                "duration": {"units": "s"},
                "samplerate": {"units": "Hz"},
            }
        }
    },
)
def audio_level(inputs: Inputs) -> dict[str, object]:
    """Peak and root mean square of a sound file, in dB of full scale.

    ``20 log10`` of the largest magnitude, and of the root of the mean square, over all channels, where full scale is 1
    (TimeSide's Level). A sine at full scale has 0 and -3.01 dBFS. The file is read block by block.

    Parameters
    ----------
    inputs : Inputs
        One sound file in a format of libsndfile, e.g. WAV, FLAC, Ogg or MP3.

    Returns
    -------
    dict
        Stream "primary", one event, float64: ``max`` and ``rms`` (dBFS, not less than -200, which silence has),
        ``duration`` (s), ``samplerate`` (Hz); ``channels`` (int).

    Raises
    ------
    InputError
        The input is not a sound file, or has no samples.
    MissingDependencyError
        soundfile is not installed.
    """
    label, file = _opened(inputs)
    with file:
        largest = total = 0.0
        count = 0
        for block in file.blocks(blocksize=_BLOCK, dtype="float64", always_2d=True):
            largest = max(largest, float(np.abs(block).max(initial=0.0)))
            total += float(np.square(block).sum())
            count += block.size
        if not count:
            raise InputError(f"{label}: there is no sound in it; expected one sample at least.")
        duration = count / file.channels / file.samplerate
        return {
            "max": float(decibels(np.asarray(largest))),
            "rms": float(decibels(np.sqrt(np.asarray(total / count)))),
            "duration": float(duration),
            "samplerate": float(file.samplerate),
            "channels": int(file.channels),
        }


@processor(
    id="audio_spectrogram",
    version="1",
    descriptor_md={
        "primary": {
            "data_keys": {
                "seconds": {"units": "s", "dims": ["seconds"]},
                "frequency": {"units": "Hz", "dims": ["frequency"]},
                "level": {"units": "dBFS", "dims": ["seconds", "frequency"]},
            },
            "hints": {"analysis": {"fields": ["level"]}},
        }
    },
)
def audio_spectrogram(
    inputs: Inputs, *, window: Annotated[int, Field(ge=2)] = 1024, step: Annotated[int, Field(ge=1)] = 512
) -> dict[str, object]:
    """The level of a sound file over time and frequency.

    The magnitude of `scipy.signal.ShortTimeFFT` with a Hann window, scaled so that a sine of amplitude a, at the centre
    of a band, has ``20 log10(a)``. Channels are averaged first. At both ends the sound is continued with silence. The
    file is read block by block.

    Parameters
    ----------
    inputs : Inputs
        One sound file in a format of libsndfile, e.g. WAV, FLAC, Ogg or MP3.
    window : int
        Samples per frame.
    step : int
        Samples from one frame to the next.

    Returns
    -------
    dict
        Stream "primary", one event: ``seconds``, float64, shape (frames,): the middle of each frame, s; ``frequency``,
        float64, shape (window // 2 + 1,), Hz; ``level``, float32, shape (frames, window // 2 + 1), dBFS, not less than
        -200.

    Raises
    ------
    InputError
        The input is not a sound file, or is shorter than half a window; or the step is longer than the window.
    MissingDependencyError
        soundfile or scipy is not installed.
    """
    if step > window:
        raise InputError(
            f"window={window}, step={step} came; expected a step of at most the window: all else is unheard."
        )
    label, file = _opened(inputs)
    with file:
        if file.frames < (window + 1) // 2:  # before creating the window, which may have any size
            raise InputError(f"{label}: {file.frames} samples; expected at least {(window + 1) // 2}. Give window=.")
        transform = _transform(window, step, file.samplerate)
        first, last = transform.p_min, transform.p_max(file.frames)
        many = max(1, _BLOCK // step)
        parts = [_levels(file, transform, at, min(at + many, last)) for at in range(first, last, many)]
        return {
            "seconds": np.asarray(np.arange(first, last) * step / file.samplerate, np.float64),
            "frequency": np.asarray(transform.f, np.float64),
            "level": np.concatenate(parts),
        }


def decibels(magnitude: Floats) -> Floats:
    """Return a magnitude in dB of full scale; silence has `FLOOR`."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(20.0 * np.log10(magnitude), FLOOR))


def _levels(file: Any, transform: Any, first: int, last: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the levels of the frames from first to last, reading only the samples they need."""
    skipped = max(0, first - -(-transform.m_num_mid // transform.hop))  # frames without common samples
    start = skipped * transform.hop
    stop = min(file.frames, (last - 1) * transform.hop - transform.m_num_mid + transform.m_num)
    file.seek(start)
    mono = file.read(stop - start, dtype="float64", always_2d=True).mean(axis=1)
    short = max(0, (transform.m_num + 1) // 2 - len(mono))
    found = transform.stft(np.pad(mono, (0, short)), first - skipped, last - skipped)
    return decibels(np.abs(found.T)).astype(np.float32)


def _transform(window: int, step: int, samplerate: int) -> Any:
    try:
        from scipy.signal import ShortTimeFFT, get_window
    except ImportError as error:
        raise _missing("scipy") from error
    return ShortTimeFFT(get_window("hann", window), step, samplerate, fft_mode="onesided2X", scale_to="magnitude")


def _opened(inputs: Inputs) -> tuple[str, Any]:
    """Return the name of the only input in messages, and the opened sound file."""
    (one,) = expected(inputs, "one sound file")
    if one.path is None:
        raise InputError(f"{one.label}: is no file; expected a sound file, e.g. Path('take-1.wav').")
    soundfile = _soundfile()
    try:
        return one.label, soundfile.SoundFile(one.path)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise InputError(f"{one.label}: is no sound file that can be read ({error}).") from error


def _soundfile() -> ModuleType:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, libsndfile is not
        raise _missing("soundfile") from error
    return soundfile  # type: ignore[no-any-return]


def _missing(name: str) -> MissingDependencyError:
    return MissingDependencyError(f"sound files need {name}: pip install 'analysis_store[audio]'.")
