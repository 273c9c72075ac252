"""The contract of a writer: what finds the data again is enough to write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class Writer(ABC):
    """Writes values to one resource. Its ``__init__`` has the signature of its handler's.

    ``Handler(path, **rk)(**Writer(path, **rk)({key: value})[key])`` gives ``value`` back.
    """

    spec: ClassVar[str]
    """The name under which documents refer to this way of storing, e.g. ``"HDF5"``."""

    @abstractmethod
    def __call__(self, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Write one value per key; return the datum kwargs that find each again, by key."""

    @abstractmethod
    def close(self) -> None:
        """Make what was written durable and let go of the resource. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
