"""The web page in a real browser: who has the key sees the runs and their data as they are, nobody else anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from analysis_store.store import AnalysisStore

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
E0 = np.array([7000.0, 7112.25, 7600.5, 7300.0])
BANDS = np.repeat([0, 500, 1000], 15) + np.zeros((4, 30, 1), np.int64)


class Served(NamedTuple):
    """A store that is served, by a program of its own."""

    origin: str
    key: str
    uid: str


@pytest.fixture(scope="module")
def browser() -> str:
    """The browser of this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    return found


@pytest.fixture(scope="module")
def served(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A small store, served by the command line; with it the address that the command printed."""
    folder = tmp_path_factory.mktemp("page") / "store"
    frame = pd.DataFrame({"peak": [7113, 7128], "label": ["pre-edge", "white line"]})
    events = [{"primary": {"e0": e0, "bands": image, "fit": frame}} for e0, image in zip(E0, BANDS, strict=True)]
    with AnalysisStore(folder) as store:
        uid = store.insert(events, {"provenance": {"origin": "simulation", "note": "made for a test"}}).uid
    command = [Path(sys.executable).with_name("analysis-store"), "serve", folder, "--port", "0"]
    names = {name: value for name, value in os.environ.items() if name != "ANALYSIS_STORE_API_KEY"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=names) as server:
        assert server.stdout
        printed = urlsplit(server.stdout.readline().split()[-1])
        yield Served(f"http://{printed.netloc}", printed.query.removeprefix("api_key="), uid)
        server.terminate()


class Page:
    """A browser that was never here before, for each page that is opened."""

    def __init__(self, browser: str, folder: Path) -> None:
        self.command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000"]
        self.folder = folder
        self.picture = folder / "shown.png"

    def open(self, address: str) -> str:
        """Open an address, wait until the page is at rest, and return what it consists of."""
        options = [
            "--virtual-time-budget=15000",
            f"--user-data-dir={self.folder / 'profile'}",
            f"--screenshot={self.picture}",
            "--dump-dom",
        ]
        done = subprocess.run(
            [*self.command, *options, address], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout


@pytest.fixture
def page(browser: str, tmp_path: Path) -> Page:
    """A fresh browser."""
    return Page(browser, tmp_path)


def test_the_address_that_was_printed_shows_the_run(page: Page, served: Served) -> None:
    """The first page lists the run by its uid."""
    shown = page.open(f"{served.origin}/ui/?api_key={served.key}")
    assert re.search(rf'role="gridcell"[^>]*>(<[^>]*>)*{served.uid}<', shown), shown[-2000:]


def test_a_number_for_each_event_is_drawn(page: Page, served: Served) -> None:
    """The line goes through the values: what is higher stands higher, to scale."""
    shown = page.open(f"{served.origin}/ui/browse/{served.uid}/primary/data/e0?api_key={served.key}")
    curve = re.search(r'class="recharts-curve[^>]*? d="([^"]+)"', shown)
    assert curve, shown[-2000:]
    points = np.array(re.findall(r"-?[\d.]+", curve[1]), float).reshape(-1, 2)
    heights = points[::3, 1]  # between two points of a smooth line are two that steer it
    assert np.corrcoef(heights, E0)[0, 1] == pytest.approx(-1, abs=1e-3)  # downwards is positive on a screen


def test_an_image_is_drawn_as_it_is(page: Page, served: Served) -> None:
    """Three bands of 64-bit integers are three bands on the screen; the page alone would make stripes of them."""
    shown = page.open(f"{served.origin}/ui/browse/{served.uid}/primary/data/bands?api_key={served.key}")
    assert re.search(r'<canvas[^>]* width="45" height="30"', shown), shown[-2000:]
    screen = matplotlib.image.imread(page.picture)[..., :3].mean(axis=-1)
    row = screen[(screen < 0.02).sum(axis=1).argmax()]
    black, gray = np.flatnonzero(row < 0.02), np.flatnonzero(abs(row - 0.5) < 0.02)
    assert len(black) > 100
    assert len(gray) == pytest.approx(len(black), rel=0.1)
    assert black.max() < gray.min()
    assert (row[gray.max() + 30 : gray.max() + len(black) // 2] > 0.98).all()


def test_a_table_has_its_rows(page: Page, served: Served) -> None:
    """The page of a table shows its columns and every value."""
    shown = page.open(f"{served.origin}/ui/browse/{served.uid}/primary/tables/fit/0?api_key={served.key}")
    for text in ("peak", "label", "7113", "7128", "pre-edge", "white line"):
        assert re.search(rf">{text}<", shown), text


@pytest.mark.parametrize(("place", "query"), [("", "?api_key=0000"), ("browse/{uid}/primary/data/e0", "")])
def test_without_the_key_nothing_is_shown(page: Page, served: Served, place: str, query: str) -> None:
    """Neither page nor run nor data, but a sentence about the key."""
    shown = page.open(f"{served.origin}/ui/{place.format(uid=served.uid)}{query}")
    assert "key" in shown
    for hidden in (served.uid, "<script", "e0", "7112", served.key):
        assert hidden not in shown
