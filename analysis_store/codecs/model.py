"""The codec: it converts values of one type to plainer ones and back, under a stable name in files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis_store.errors import CodecError

PRIMITIVES = frozenset({type(None), bool, int, float, complex, str, bytes})
"""Types without codec and identity. In addition, exactly `list`, `dict` and `numpy.ndarray` are plain."""

_NAME = re.compile(r"[^\s@\0]{1,300}")


@dataclass(frozen=True, slots=True)
class Codec:
    """Conversion of the values of one type to plainer values.

    Raises
    ------
    CodecError
        The name or version cannot be written into a file.
    """

    name: str
    """Name of the type in files, e.g. ``"decimal.Decimal"``; its first part is the package that provides the codec."""

    cls: type

    to_state: Callable[[Any], Any]
    """Converts a value to its state: primitives, lists, dicts, arrays, and values of other codecs."""

    from_state: Callable[[Any], Any]
    """Converts a state of this version to an equal value of the same type; it may keep the state."""

    version: int = 1
    """Version of the state; raise it when the state changes."""

    migrate: Callable[[Any, int], Any] | None = None
    """``migrate(state, version)`` returns the state of an older version as one of this version."""

    shared: bool = True
    """True if two references to one value remain references to one; False for immutable values compared by value."""

    fields: bool = False
    """True if the state is a mapping of attributes, so that messages contain ``obj.model`` and not ``obj["model"]``."""

    lazy: bool = False
    """True if ``from_state`` accepts arrays that are not read yet; for other codecs they are read first."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CodecError(f"Got {self.name!r} as the name of a type; expected text without spaces and '@'.")
        if type(self.version) is not int or self.version < 1:
            raise CodecError(f"Got the version {self.version!r} of {self.name!r}; expected an integer from 1.")


@dataclass(slots=True)
class Plain:
    """A value of an unknown type, with its state from the file; dumped again, it is the same in the file.

    Examples
    --------
    >>> Plain("quantities.Quantity", 1, {"magnitude": 3.0, "units": "mV"}).state["units"]
    'mV'
    """

    type: str
    """Name of the type in the file."""

    version: int
    """Version of the state."""

    state: Any
    """State, in which further unknown types are plain too."""

    def __hash__(self) -> int:
        """Return the hash, so that it can be the key of a dict, as the original value was."""
        return hash((self.type, self.version))


def type_name(cls: type) -> str:
    """Return the default name of a class: module and qualified name."""
    return f"{cls.__module__}.{cls.__qualname__}".replace(" ", "")
