"""Contenders timed in turn, so that a machine whose speed drifts treats them alike; medians and ratios."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    work: str
    measured: str
    target: str
    met: bool


def interleaved(contenders: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Return the median time of each contender, s: A B C A B C …, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeat + 1):
        for name, work in contenders.items():
            gc.collect()
            begin = time.perf_counter()
            work()
            if turn:
                times[name].append(time.perf_counter() - begin)
    return {name: median(found) for name, found in times.items()}


def ratio(work: str, ours: float, peer: float, peer_name: str, most: float) -> Row:
    """Return the row of a ratio that must not exceed ``most``."""
    found = ours / peer
    return Row(work, f"{found:.2f} × {peer_name} ({_ms(ours)} : {_ms(peer)})", f"≤ {most:g} ×", found <= most)


def faster(work: str, ours: float, peer: float, peer_name: str, least: float) -> Row:
    """Return the row of a speed-up that must reach ``least``."""
    found = peer / ours
    return Row(
        work, f"{found:.0f} × faster than {peer_name} ({_ms(ours)} : {_ms(peer)})", f"≥ {least:g} ×", found >= least
    )


def bound(work: str, ours: float, most: float, unit: str) -> Row:
    """Return the row of an absolute figure that must not exceed ``most``."""
    return Row(work, f"{ours:.2f} {unit}", f"≤ {most:g} {unit}", ours <= most)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
