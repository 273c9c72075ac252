"""The contract of a handler: it returns the values for documents, and leaves no file open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType


class Handler(ABC):
    """Reads the values of one resource. Its ``__init__`` has the same signature as its writer's.

    databroker, event-model's Filler and Tiled know this protocol: ``Handler(path, **resource_kwargs)``, then
    ``handler(**datum_kwargs)`` for each value.
    """

    specs: ClassVar[set[str]]
    """The specs that this handler reads."""

    path: str
    """The file it reads."""

    @abstractmethod
    def __call__(self, *args: Any, **datum_kwargs: Any) -> Any:
        """Return the value for these datum kwargs."""

    def unread(self, *args: Any, **datum_kwargs: Any) -> Any:
        """Return the same value; a large one as an array that reads only the slices that are used."""
        return self(*args, **datum_kwargs)

    def close(self) -> None:
        """Close all files. Idempotent."""
        return

    def get_file_list(self, datum_kwargs_gen: Iterable[Mapping[str, object]]) -> list[str]:
        """Return the files that contain these data."""
        return [self.path]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
