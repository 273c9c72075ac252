"""One data key in all events of a stream: its values, and how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from analysis_store.arrays import LazyValue

Form = Literal["array", "ragged", "table", "object", "foreign"]


@dataclass(frozen=True, slots=True)
class Place:
    """Location of the values of a key in the caller's data: ``data[3]["primary"]["mu"]`` for messages."""

    before: str
    after: str
    numbers: Sequence[int] | None = None
    """Number of each event of the stream in ``data``; None if it is the same."""

    def at(self, index: int | str) -> str:
        """Return the place of the value of one event, or of ``":"``, all of them."""
        number = self.numbers[index] if self.numbers and isinstance(index, int) else index
        return f"{self.before}{number}{self.after}"


@dataclass(slots=True)
class Column:
    """The values of one data key in all events of a stream."""

    where: Place
    """Location of the values in the caller's data."""

    values: Any
    """``(n, *shape)`` array, or a sequence of n arrays, tables, `Objects` or (foreign) anything."""

    form: Form
    """How the values are stored: as one array, as arrays of differing shape, as tables, as objects, by the caller's
    writer."""

    inline: bool
    """True if the values stay in the event documents."""

    data_key: dict[str, Any] = field(default_factory=dict)
    """Entry of the descriptor: dtype, shape, dtype_numpy, source, and the caller's metadata."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of the value of one event; of the first, if they differ."""
        shape: tuple[int, ...] = (
            self.values.shape[1:] if isinstance(self.values, np.ndarray) else np.shape(self.values[0])
        )
        return shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values of an array or ragged column."""
        first = self.values if isinstance(self.values, np.ndarray) else self.values[0]
        found: np.dtype = (first if isinstance(first, LazyValue) else np.asarray(first)).dtype
        return found

    def inline_values(self) -> list[object]:
        """Return the values as documents hold them: n numbers, strings, booleans or nested lists."""
        if self.form == "array" and isinstance(self.values, np.ndarray):
            return self.values.tolist()  # type: ignore[no-any-return]
        return [np.asarray(value).tolist() for value in self.values]
