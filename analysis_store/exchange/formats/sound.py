"""FLAC and WAV: a signal as sound, exact sample by sample, or an error."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import soundfile

from analysis_store.errors import ExportError
from analysis_store.exchange.choose import chosen_events, chosen_keys
from analysis_store.exchange.content import one_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analysis_store.dtypes import AnyArray
    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.read.stream import Stream

RATES = ("sampling_rate", "sample_rate", "samplerate")
"""Names of the sampling rate in the descriptor of the key or in the start document, in Hz."""

_BLOCK = 1 << 20
_FLAC_CHANNELS = 8
_WAV_CHANNELS = 1024
_FLAC_RATE = 655_350
_WAV_RATE = 2**31 - 1
_WAV_BYTES = 2**32 - 2**16
"""A WAV file stores its size in 32 bits; its chunks take some bytes more."""


@dataclass(frozen=True, slots=True)
class _Samples:
    """A signal in a form that a sound file can hold."""

    values: AnyArray
    """Shape (n,) or (n, channels): int16, int32, float32 or float64."""

    subtype: str
    """Name of the sample type in libsndfile."""


def write_wav(run: Run, file: BinaryIO, options: Options) -> None:
    """Write a signal as WAV: integers of 16 or 32 bits, floats of 32 or 64.

    Raises
    ------
    ExportError
        The signal does not exist, or a sound file cannot hold it.
    """
    _write(run, file, options, "WAV", _for_wav)


def write_flac(run: Run, file: BinaryIO, options: Options) -> None:
    """Write a signal as FLAC: integers of 16 or 24 bits, and floats that are fractions of these.

    Raises
    ------
    ExportError
        The signal does not exist, or FLAC cannot hold it exactly.
    """
    _write(run, file, options, "FLAC", _for_flac)


def _write(run: Run, file: BinaryIO, options: Options, form: str, fit: Callable[[AnyArray, str], _Samples]) -> None:
    stream = one_stream(run, options)
    key = _signal(stream, options)
    where = f"{key!r} of stream {stream.name!r}"
    values = _values(stream, key, options, where)
    rate = _rate(stream, key, where)
    _check(values, rate, form, where)
    samples = fit(values, where)
    if form == "WAV" and samples.values.nbytes > _WAV_BYTES:
        raise ExportError(f"{where} has {samples.values.nbytes} bytes and WAV ends at 4 GiB; export to hdf5 or npz.")
    channels = 1 if values.ndim == 1 else values.shape[1]
    image = io.BytesIO()  # libsndfile hides a full disk when it closes a FLAC file
    with soundfile.SoundFile(image, "w", rate, channels, samples.subtype, format=form) as sound:
        sound.title = key
        sound.comment = f"run {run.uid}, stream {stream.name}"
        for first in range(0, len(values), _BLOCK):
            sound.write(samples.values[first : first + _BLOCK])
            options.progress(min(first + _BLOCK, len(values)), len(values))
    file.write(image.getbuffer())


def _signal(stream: Stream, options: Options) -> str:
    """Return the named key, the only one with a sampling rate, or the only numeric one."""
    keys = chosen_keys(stream, options)
    if len(options.keys) == 1:
        return keys[0]
    numeric = [key for key in keys if _may_sound(stream[key])]
    rated = [key for key in numeric if _told_rate(stream.data_keys[key]) is not None]
    arrays = [key for key in numeric if stream[key].ndim > 1]
    for candidates in (rated, arrays, numeric):
        if len(candidates) == 1:
            return candidates[0]
    told = f"several signals: {', '.join(rated or arrays or numeric)}" if numeric else "no signal"
    raise ExportError(f"stream {stream.name!r} has {told}; choose one with key=, or another stream with stream=.")


def _may_sound(column: LazyArray) -> bool:
    if column.dtype.kind == "O":
        return len(column) > 0 and isinstance(column[0], np.ndarray)
    return column.dtype.kind in "iuf"


def _values(stream: Stream, key: str, options: Options, where: str) -> AnyArray:
    """Return the samples: the array of one event, or the numbers of all events."""
    column = stream[key]
    if column.ndim == 1 and column.dtype.kind != "O":
        events = chosen_events(stream, options)
        return np.asarray(column[events.start : events.stop])
    events = chosen_events(stream, options)
    if len(events) != 1:
        raise ExportError(f"{where} is a signal in each of {len(events)} events; choose one with event=.")
    value = column[events[0]]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf" or value.ndim not in {1, 2}:
        what = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise ExportError(
            f"{where} holds {what}; a sound file takes real numbers of shape (samples,) or (samples, channels)."
        )
    return value


def _told_rate(document: Mapping[str, Any]) -> Any:
    return next((document[name] for name in RATES if document.get(name) is not None), None)


def _rate(stream: Stream, key: str, where: str) -> int:
    """Return the samples per second, which a sound file stores as an integer."""
    rate = _told_rate(stream.data_keys[key])
    if rate is None:
        rate = _told_rate(stream.run.start)
    if rate is None:
        raise ExportError(
            f"the sampling rate of {where} is not known; expected {' or '.join(RATES)}, in Hz, in the descriptor of "
            f"the key (descriptor_md={{{stream.name!r}: {{'data_keys': {{{key!r}: {{'sampling_rate': 44100}}}}}}}}) "
            "or in the start document."
        )
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not math.isfinite(rate) or rate != int(rate):
        raise ExportError(
            f"the sampling rate of {where} is {rate!r}; a sound file keeps a whole number of samples per second. "
            "Export to hdf5, npz or csv, which keep the signal without it."
        )
    return int(rate)


def _check(values: AnyArray, rate: int, form: str, where: str) -> None:
    channels = 1 if values.ndim == 1 else values.shape[1]
    most, fastest = (_WAV_CHANNELS, _WAV_RATE) if form == "WAV" else (_FLAC_CHANNELS, _FLAC_RATE)
    if values.dtype.kind not in "iuf":
        raise ExportError(f"{where} holds {values.dtype}; a sound file takes real numbers.")
    if not 1 <= channels <= most:
        raise ExportError(f"{where} has {channels} channels; {form} takes 1 to {most}. Export to hdf5 or npz.")
    if not 1 <= rate <= fastest:
        raise ExportError(f"{where} has {rate} samples per second; {form} takes 1 to {fastest}. Export to hdf5 or npz.")


def _for_wav(values: AnyArray, where: str) -> _Samples:
    if values.dtype.kind == "f":
        kept = values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)
        if not np.array_equal(kept, values, equal_nan=True):
            raise ExportError(f"{where} is of {values.dtype}, which WAV cannot keep exactly; export to hdf5 or npz.")
        return _Samples(kept, "FLOAT" if kept.dtype.itemsize == 4 else "DOUBLE")
    whole = _narrowed(values)
    if whole is None:
        raise ExportError(f"{where} exceeds 32 bits, the limit of WAV; export to hdf5 or npz.")
    return _Samples(whole, f"PCM_{8 * whole.dtype.itemsize}")


def _for_flac(values: AnyArray, where: str) -> _Samples:
    found = _fraction(values) if values.dtype.kind == "f" else _narrowed(values)
    if found is not None and found.dtype.itemsize == 2:
        return _Samples(found, "PCM_16")
    if found is not None and not (found & 0xFF).any():  # 24 bits, as the upper bits of 32
        return _Samples(found, "PCM_24")
    raise ExportError(
        f"{where} is of {values.dtype}, and FLAC cannot keep these values exactly: it has integers of 16 bits, of 24 "
        "as the upper ones of 32, and floats that are fractions of these. Export to wav, which keeps them."
    )


def _narrowed(values: AnyArray) -> AnyArray | None:
    """Return integers as int16 or int32: their own width, or the smallest that holds them; None if none does."""
    dtype = values.dtype
    if dtype.kind == "i" and dtype.itemsize in {2, 4}:
        return values.astype(dtype.newbyteorder("="))
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return None


def _fraction(values: AnyArray) -> AnyArray | None:
    """Return floats as the integers that read back as these floats (full scale is 1); None if that fails."""
    for bits, kind, shift in ((16, np.int16, 0), (24, np.int32, 8)):
        scaled = values.astype(np.float64) * 2.0 ** (bits - 1)
        limit = 2 ** (bits - 1)
        if ((scaled >= -limit) & (scaled < limit)).all():
            whole = scaled.astype(np.int32)
            if np.array_equal(whole, values * values.dtype.type(2.0 ** (bits - 1))):
                return (whole << shift).astype(kind)
    return None
