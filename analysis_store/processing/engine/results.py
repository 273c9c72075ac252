"""Results of a pipeline: the result of each step, by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import Input, InputStream
    from analysis_store.runs.read.run import Run


class Result(Mapping[str, "InputStream"]):
    """The result of one step, as a mapping from stream name to its columns.

    Examples
    --------
    >>> results["fit"]["primary"]["center"][0]  # doctest: +SKIP
    """

    def __init__(self, content: Input, run: Run | None, *, reused: bool = False, seconds: float = 0.0) -> None:
        self.content = content
        """The result as input of the next step."""
        self.run = run
        """The stored run; None if nothing is saved."""
        self.reused = reused
        """True if it existed already and was not computed."""
        self.seconds = seconds
        """Seconds to find it, or to compute and save it."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)

    def __contains__(self, name: object) -> bool:
        return name in self.content

    def __getitem__(self, name: str) -> InputStream:
        return self.content[name]

    def __repr__(self) -> str:
        state = "not saved" if self.run is None else f"run {self.run.uid}{', reused' if self.reused else ''}"
        return f"<Result {', '.join(self)}; {state}>"


class Results(Mapping[str, Result]):
    """The results of the steps of a pipeline, by their names."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        self._results = dict(results)

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __getitem__(self, name: str) -> Result:
        if name not in self._results:
            from analysis_store.errors import KeyNotFoundError

            raise KeyNotFoundError(f"the pipeline has no step {name!r}; it has {list(self)}.")
        return self._results[name]

    def __repr__(self) -> str:
        return "\n".join(["<Results>", *(f"  {name}: {result!r}" for name, result in self.items())])
