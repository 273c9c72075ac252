"""The contract of a writer: the arguments that locate data are sufficient to write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class Writer(ABC):
    """Writes values to one resource. Its ``__init__`` has the same signature as its handler's.

    ``Handler(path, **rk)(**Writer(path, **rk)({key: value})[key])`` returns ``value``.
    """

    spec: ClassVar[str]
    """Name of this format in documents, e.g. ``"HDF5"``."""

    @abstractmethod
    def __call__(self, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Write one value per key; return the datum kwargs that locate each, by key."""

    @abstractmethod
    def close(self) -> None:
        """Make the written values durable and close the resource. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
