"""What ``analysis-store tail`` tells of a recording, and when it ends."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis_store.cli import follow_terminal
from analysis_store.cli.follow import LIVE, Followed
from analysis_store.cli.live_status import brief, states
from analysis_store.recorder import InMemoryDataStore


@pytest.fixture
def kept():
    """Make a recording of numbers, arrays, text, an object and a key that was set."""
    kept = InMemoryDataStore()
    for step in range(11):
        kept.append("train/loss", 1.0 - step / 10, 1000.0 + step)
    kept.append("image", np.arange(6).reshape(2, 3), 1000.5)
    kept.append("note", "two words", 1001.5)
    kept.append("fit", {"ok": True}, 1002.5)
    kept.set("best", 0.25, 1003.5)
    return kept


def followed_of(kept, *statuses: str) -> Followed:
    """Return what is followed; its status is one after the other, and stays what it was last."""
    left = list(statuses)
    return Followed("x", kept, lambda: left.pop(0) if len(left) > 1 else left[0])


class TestState:
    """How keys stand."""

    def test_numbers(self, kept):
        """Number, rate, time of the last value and a curve."""
        state = states(followed_of(kept, "success"))[0]

        assert (state.key, state.count, state.time) == ("train/loss", 11, 1010.0)
        assert state.rate == pytest.approx(1.0)
        assert state.last == pytest.approx(0.0)
        assert (state.curve[0], state.curve[-1], len(state.curve)) == ("█", "▁", 11)

    def test_rate_falls(self, kept):
        """Of a live recording the rate falls while nothing comes."""
        state = states(followed_of(kept, LIVE), now=1020.0)[0]

        assert state.rate == pytest.approx(0.5)

    def test_rows(self, kept):
        """Every kind of value has a row; there is no rate or curve where it would say nothing."""
        rows = [state.row() for state in states(followed_of(kept, "success"))[1:]]

        assert rows == [
            ["image", "1", "", "int64 [2 × 3] 0 … 5", ""],
            ["note", "1", "", "two words", ""],
            ["fit", "1", "", "{'ok': True}", ""],
            ["best", "1", "", "0.25", ""],
        ]

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (np.float64(1 / 3), "0.333333"),
            (np.array([], float), "float64 [0]"),
            (np.array(["a"]), "<U1 [1]"),
            ("x" * 100, "x" * 59 + "…"),
            (np.datetime64("2026-11-20"), "2026-11-20"),
            (True, "True"),
        ],
    )
    def test_brief(self, value, text):
        """A value in a few words."""
        assert brief(value) == text


class TestStream:
    """Lines for a pipe."""

    def test_in_order_of_time(self, kept, capsys):
        """Keys are mixed as their values came; of each there are as many as were asked for."""
        follow_terminal.stream(followed_of(kept, "success"), 2, 0.01, as_json=True)
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

        assert [(each["time"], each["key"]) for each in found] == [
            (1000.5, "image"),
            (1001.5, "note"),
            (1002.5, "fit"),
            (1003.5, "best"),
            (1009.0, "train/loss"),
            (1010.0, "train/loss"),
        ]
        assert found[0]["value"] == [[0, 1, 2], [3, 4, 5]]

    def test_text(self, kept, capsys):
        """A line is time, key and value; text is quoted, so that it is one line."""
        kept.append("note", "a\nb", 1011.0)
        follow_terminal.stream(followed_of(kept, "success"), 1, 0.01, as_json=False)
        lines = capsys.readouterr().out.splitlines()

        assert lines[-1].endswith(' note "a\\nb"')
        assert lines[0].split(" ", 1)[1] == "image int64 [2 × 3] 0 … 5"

    def test_goes_on_until_the_end(self, kept, capsys):
        """What comes later is printed once, also what comes last, a new key and a value that was set again."""

        class Growing:
            turn = 0

            def __call__(self):
                self.turn += 1
                if self.turn == 2:
                    kept.append("new", 1, 2000.0)
                    kept.set("best", 0.5, 2001.0)
                if self.turn == 3:
                    kept.append("new", 2, 2002.0)
                return LIVE if self.turn < 3 else "success"

        follow_terminal.stream(Followed("x", kept, Growing()), 0, 0.01, as_json=True)
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

        assert [(each["key"], each["value"]) for each in found] == [
            ("best", 0.25),
            ("new", 1),
            ("best", 0.5),
            ("new", 2),
        ]
