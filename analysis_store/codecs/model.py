"""What a codec is: how values of one type become plainer ones and come back, under a name that files keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis_store.errors import CodecError

PRIMITIVES = frozenset({type(None), bool, int, float, complex, str, bytes})
"""Types that need no codec and have no identity. Besides them, exactly `list`, `dict` and `numpy.ndarray` are plain."""

_NAME = re.compile(r"[^\s@\0]{1,300}")


@dataclass(frozen=True, slots=True)
class Codec:
    """How the values of one type are told in plainer ones.

    Raises
    ------
    CodecError
        The name or version cannot be written into a file.
    """

    name: str
    """What files call the type, e.g. ``"decimal.Decimal"``; its first part is the package that brings the codec."""

    cls: type

    to_state: Callable[[Any], Any]
    """From a value to its state: primitives, lists, dicts, arrays, and values that other codecs know."""

    from_state: Callable[[Any], Any]
    """From a state of this version to an equal value of the same type; the state is its to keep."""

    version: int = 1
    """Of the state; raise it when the state changes."""

    migrate: Callable[[Any, int], Any] | None = None
    """``migrate(state, version)`` returns the state of an older version as one of this."""

    shared: bool = True
    """Whether two references to one value stay references to one; False for what is equal and immutable anyway."""

    fields: bool = False
    """Whether the state is a mapping of attributes, so that messages say ``obj.model`` and not ``obj["model"]``."""

    lazy: bool = False
    """Whether ``from_state`` takes arrays that are not read yet; for others they are read before."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CodecError(f"{self.name!r} came as the name of a type; expected text without spaces and '@'.")
        if type(self.version) is not int or self.version < 1:
            raise CodecError(f"The version of {self.name!r} is {self.version!r}; expected an integer from 1.")


@dataclass(slots=True)
class Plain:
    """A value whose type is not known here, as the file tells it; dumped again, it becomes the same in the file.

    Examples
    --------
    >>> Plain("quantities.Quantity", 1, {"magnitude": 3.0, "units": "mV"}).state["units"]
    'mV'
    """

    type: str
    """What the file calls the type."""

    version: int
    """Of the state."""

    state: Any
    """The state, in which further unknown types are plain too."""

    def __hash__(self) -> int:
        """Let it be the key of a dict, as the value that it stands for was."""
        return hash((self.type, self.version))


def type_name(cls: type) -> str:
    """Return the name of a class that was given none: module and qualified name."""
    return f"{cls.__module__}.{cls.__qualname__}".replace(" ", "")
