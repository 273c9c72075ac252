"""Following a recording: a table that is redrawn, or a line for each value."""

from __future__ import annotations

import contextlib
import heapq
import json
import sys
import time
from collections.abc import Iterator
from itertools import pairwise, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from analysis_store.cli.console import print_json, say, table
from analysis_store.cli.follow import LIVE, Followed
from analysis_store.cli.live_status import COLUMNS, brief, plain, stamp, states

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(followed: Followed, *, as_json: bool) -> None:
    """Print the present state of each key."""
    found = states(followed, now=time.time() if followed.status() == LIVE else None)
    if as_json:
        keys = {state.key: state.to_document() for state in found}
        print_json({"recording": followed.name, "status": followed.status(), "keys": keys})
        return
    table(COLUMNS, [state.row() for state in found])


def watch(followed: Followed, interval: float) -> None:
    """Redraw the state of each key until no more values can come."""
    from rich.live import Live

    with contextlib.suppress(KeyboardInterrupt), Live(_drawn(followed), auto_refresh=False) as live:
        while followed.status() == LIVE:
            time.sleep(interval)
            live.update(_drawn(followed), refresh=True)
        live.update(_drawn(followed), refresh=True)


def _drawn(followed: Followed) -> RenderableType:
    from rich.markup import escape
    from rich.table import Table

    status = followed.status()
    drawn = Table(*COLUMNS, box=None, pad_edge=False, title=escape(f"{followed.name}: {status}"), title_justify="left")
    for state in states(followed, now=time.time() if status == LIVE else None):
        drawn.add_row(*map(escape, state.row()))
    return drawn


def stream(followed: Followed, begin: int, interval: float, *, as_json: bool) -> None:
    """Print new values until no more can come, starting with the last ``begin`` values of each key."""
    seen: dict[str, float] = {key: max(0, followed.count(key) - begin) for key in followed.appended()}
    while True:
        goes_on = followed.status() == LIVE  # checked before reading, so that the last values are read, too
        news = [_new(followed, key, seen) for key in followed.keys()]  # noqa: SIM118 - no mapping
        for moment, key, value in heapq.merge(*news, key=itemgetter(0)):
            if as_json:
                say(json.dumps({"time": moment, "key": key, "value": plain(value)}, ensure_ascii=False, default=str))
            else:
                say(f"{stamp(moment)} {key} {_text(value)}")
        sys.stdout.flush()
        if not goes_on:
            return
        time.sleep(interval)


def _new(followed: Followed, key: str, seen: dict[str, float]) -> Iterator[tuple[float, str, Any]]:
    """Yield time, key and value of each new value."""
    if followed.is_set(key):
        moment = float(followed.times(key, 0, 1)[0])
        if moment > seen.get(key, 0.0):
            seen[key] = moment
            yield moment, key, followed.values(key, 0, 1)[0]
        return
    count, begin = followed.count(key), int(seen.get(key, 0))
    seen[key] = count
    for start, end in pairwise([*range(begin, count, followed.part(key)), count]):
        times = followed.times(key, start, end)
        yield from zip(times.tolist(), repeat(key), followed.values(key, start, end), strict=False)


def _text(value: Any) -> str:
    return brief(value) if not isinstance(value, str) else json.dumps(value, ensure_ascii=False)
