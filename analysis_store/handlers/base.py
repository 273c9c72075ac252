"""The contract of a handler: documents in, values out, nothing left open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType


class Handler(ABC):
    """Reads the values of one resource. Its ``__init__`` has the signature of its writer's.

    databroker, event-model's Filler and Tiled know this protocol: ``Handler(path, **resource_kwargs)``, then
    ``handler(**datum_kwargs)`` for each value.
    """

    specs: ClassVar[set[str]]
    """The specs that this handler reads."""

    path: str
    """The file it reads."""

    @abstractmethod
    def __call__(self, *args: Any, **datum_kwargs: Any) -> Any:
        """Return the value that these datum kwargs find."""

    def unread(self, *args: Any, **datum_kwargs: Any) -> Any:
        """Return the same value; where it may be large, as an array that reads only what is sliced of it."""
        return self(*args, **datum_kwargs)

    def close(self) -> None:
        """Let go of whatever is open. May be called twice."""
        return

    def get_file_list(self, datum_kwargs_gen: Iterable[Mapping[str, object]]) -> list[str]:
        """Return the files that these data are in."""
        return [self.path]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
