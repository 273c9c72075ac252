"""Outcomes of inputs, and the report of all outcomes."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Literal, overload

from analysis_store import errors

if TYPE_CHECKING:
    from analysis_store.documents import Document

Status = Literal["new", "running", "interrupted", "done", "partial", "failed"]
"""``new``: never run; ``done``: no failure; ``partial``: some failures; ``failed``: only failures."""

_ROOM = "analysis_store.processing"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Success:
    """A step that has a result."""

    run: str
    """Uid of the result."""

    reused: bool
    """True if the result existed already."""

    seconds: float
    """Duration in s."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A step without result, or an input that no step could get."""

    step: str | None
    """Name of the step; None if no step was responsible: unreadable input, dead process."""

    error: str
    """The error, on one line."""

    traceback: str = ""
    """Location at which it was raised."""

    @classmethod
    def of(cls, step: str | None, error: BaseException) -> Failure:
        """Return the failure for an error."""
        told = "".join(traceback.format_exception_only(error)).strip().removeprefix(f"{errors.__name__}.")
        where = traceback.format_exception(type(error), error, _place(error))
        return cls(step, told.partition("\n")[0], "".join(where))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one input."""

    input: str
    """Uid of the run, or path of the file."""

    results: Mapping[str, Success] = field(default_factory=dict)
    """Steps that have a result, by name."""

    failures: tuple[Failure, ...] = ()
    """Failures; several, if the pipeline has branches."""

    skipped: tuple[str, ...] = ()
    """Steps that were not run, because an earlier one failed."""

    seconds: float = 0.0
    """Total duration in s."""

    @property
    def status(self) -> Literal["done", "failed"]:
        """``done``, or ``failed`` after any failure."""
        return "failed" if self.failures else "done"

    def to_document(self) -> Document:
        """Return the outcome as JSON."""
        return asdict(self) | {"status": self.status}

    @classmethod
    def from_document(cls, document: Document) -> Outcome:
        """Return the outcome for a document of `to_document`."""
        return cls(
            document["input"],
            {name: Success(**told) for name, told in document["results"].items()},
            tuple(Failure(**told) for told in document["failures"]),
            tuple(document["skipped"]),
            document["seconds"],
        )


class Report(Sequence[Outcome]):
    """The outcomes of a task, in order of completion."""

    def __init__(self, outcomes: Iterable[Outcome] = (), status: Status | None = None) -> None:
        self._outcomes = list(outcomes)
        self.status: Status = status or status_of(self._outcomes)

    @property
    def failed(self) -> list[Outcome]:
        """The inputs that failed."""
        return [one for one in self if one.failures]

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of inputs done and failed, and of results computed and reused."""
        steps = Counter("reused" if step.reused else "computed" for one in self for step in one.results.values())
        failed = len(self.failed)
        none = {"computed": 0, "reused": 0}
        return {"inputs": len(self), "done": len(self) - failed, "failed": failed} | none | steps

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> list[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | list[Outcome]:
        return self._outcomes[index]

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._outcomes)

    def __repr__(self) -> str:
        told = ", ".join(f"{number} {name}" for name, number in self.counts.items() if number or name == "inputs")
        failed = self.failed
        lines = [f"<Report: {self.status}; {told}>"]
        lines += [f"  {one.input}: {_told(failure)}" for one in failed[:_SHOWN] for failure in one.failures]
        more = len(failed) - _SHOWN
        return "\n".join([*lines, f"  … and {more} more"] if more > 0 else lines)


def status_of(outcomes: Iterable[Outcome]) -> Status:
    """Return the status that follows from outcomes."""
    kinds = {one.status for one in outcomes}
    return "partial" if len(kinds) > 1 else "failed" if kinds == {"failed"} else "done"


def _place(error: BaseException) -> TracebackType | None:
    """Return the location of an error, beginning at the function of a processor."""
    place = error.__traceback__
    while place is not None and _is_way(place.tb_frame.f_globals.get("__name__", "")):
        place = place.tb_next
    return place or error.__traceback__  # else the error was raised in this package


def _is_way(module: str) -> bool:
    return module.startswith(f"{_ROOM}.") and not module.startswith(f"{_ROOM}.library.")


def _told(failure: Failure) -> str:
    return f"{failure.step}: {failure.error}" if failure.step else failure.error
