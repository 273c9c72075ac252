"""All use of event-model: metadata are converted, documents composed and validated.

Validation uses event-model's own schemas through a compiled validator, because event-model's validation in Python
takes longer than the rest of a small save.
"""

from __future__ import annotations

import datetime
import enum
import json
import os
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from analysis_store.core.text import to_utf8
from analysis_store.errors import InvalidDocumentError, InvalidMetadataError

if TYPE_CHECKING:
    from jsonschema_rs import Validator

Document = dict[str, Any]

DOCUMENT_NAMES = (
    "start",
    "descriptor",
    "resource",
    "datum",
    "datum_page",
    "event",
    "event_page",
    "stream_resource",
    "stream_datum",
    "stop",
)
PARENT_KEYS = ("parent_uids", "parent_uid", "original_run_uid", "original_start_uid", "raw_uid", "exp_uid")
"""Keys under which start documents of this and of older systems name their parents."""

MAX_INLINE_SIZE = 16
"""Largest number of elements of an array in a document."""

_MAX_DEPTH = 100
_REFUSED = {"bulk_events": "event_page", "bulk_datum": "datum_page"}


def new_uid() -> str:
    """Return a fresh random uid."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def dumps(value: object) -> str:
    """Return JSON that restores every float, including NaN and infinity, and every integer exactly."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    """Return the value that was given to `dumps`."""
    return json.loads(text)


# ---------------------------------------------------------------------------------------------- validation


@cache
def _validator(name: str) -> Validator:
    import jsonschema_rs
    from event_model import DocumentNames, schemas

    return jsonschema_rs.validator_for(schemas[DocumentNames[name]])


def validate(name: str, doc: Mapping[str, object]) -> None:
    """Check a document against event-model's schema for its name.

    Raises
    ------
    InvalidDocumentError
        The message names the document, the place in it and the violated rule.
    """
    check_name(name)
    import jsonschema_rs

    try:
        try:
            _validator(name).validate(doc)
        except jsonschema_rs.ValidationError:
            raise
        except (ValueError, TypeError):  # NumPy values, tuples of them: what they are called is all that matters here
            _validator(name).validate(_shadow(doc, name))
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"[{part!r}]" for part in error.instance_path)
        raise InvalidDocumentError(
            f"{name}{place}: {error.message}. event-model's schema for {name!r} refuses it; correct the document."
        ) from error
    except InvalidDocumentError:
        raise
    except (ValueError, RecursionError) as error:  # of the validator, which goes only so deep
        raise InvalidDocumentError(
            f"{name}: its values are nested too deep, or within themselves. Flatten it."
        ) from error


def check_name(name: str) -> None:
    """Refuse a name that is unknown, or obsolete in event-model."""
    if name in DOCUMENT_NAMES:
        return
    if name in _REFUSED:
        raise InvalidDocumentError(
            f"{name!r} documents are obsolete and not accepted; send {_REFUSED[name]!r} instead."
        )
    raise InvalidDocumentError(f"{name!r} is not a document; known: {', '.join(DOCUMENT_NAMES)}.")


def _shadow(value: Any, where: str) -> Any:
    """Return plain Python of the same JSON types as ``value``; large arrays shrink to an empty list."""
    if isinstance(value, Mapping):
        return {document_text(key, where): _shadow(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shadow(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, str):
        return document_text(value, where)
    if type(value).__module__ == "numpy" and hasattr(value, "shape"):
        return [] if value.shape else _shadow(value.item(), where)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise InvalidDocumentError(f"{where}: {_describe(value)} cannot be held by a document; convert it first.")


def document_text(value: object, where: str) -> str:
    """Return text as str, unless it has lone surrogates, which UTF-8, files and databases cannot hold."""
    if type(value) is str and value.isascii():
        return value
    if isinstance(value, str):
        to_utf8(value, where, InvalidDocumentError)
        return str.__str__(value)  # str() would drop NULs of NumPy's text, and give the name of an Enum member
    raise InvalidDocumentError(f"{where}: got {value!r:.80}; expected text that UTF-8 can hold. Correct the document.")


# ------------------------------------------------------------------------------------------------ metadata


def clean_metadata(value: object, where: str = "md") -> Any:
    """Return a plain copy of metadata that JSON and event-model can hold, without loss.

    NumPy scalars become Python scalars; tuples and arrays of at most 16 elements lists; dates and times
    ISO 8601 strings; paths and UUIDs strings; members of an Enum their values; text and numbers of other classes
    plain ones. NaN, infinities and integers of any size are kept.

    Raises
    ------
    InvalidMetadataError
        For other values; the message has the full path of the value, e.g. ``md["sample"]["tags"]``.
    """
    return _clean(value, where, in_list=False, depth=0)


def _clean(value: Any, where: str, *, in_list: bool, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return _clean_text(value, where)
    if value is None or kind is bool or kind is int or kind is float:
        return value
    if depth > _MAX_DEPTH:
        raise InvalidMetadataError(f"{where[:200]}…: nested more than {_MAX_DEPTH} deep, or within itself; flatten it.")
    if isinstance(value, Mapping):
        return _clean_mapping(value, where, in_list=in_list, depth=depth)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_clean(item, f"{where}[{i}]", in_list=True, depth=depth + 1) for i, item in enumerate(value)]
    return _clean_scalar(value, where, depth)


def _clean_mapping(value: Mapping[Any, Any], where: str, *, in_list: bool, depth: int) -> Document:
    clean = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidMetadataError(f"{where}: the key {key!r} is {_describe(key)}; keys of metadata are strings.")
        here = f"{where}[{key!r}]".replace("'", '"')
        if not in_list and ("." in key or "/" in key or not key):
            raise InvalidMetadataError(
                f"{here}: event-model refuses keys that are empty or hold '.' or '/'; rename it, e.g. "
                f"{key.replace('.', '_').replace('/', '_') or 'name'!r}."
            )
        clean[_clean_text(key, where)] = _clean(item, here, in_list=in_list, depth=depth + 1)
    return clean


def _clean_text(text: str, where: str) -> str:
    to_utf8(text, where, InvalidMetadataError)
    return str.__str__(text)  # str() would drop NULs of NumPy's text, and give the name of an Enum member


def _clean_scalar(value: Any, where: str, depth: int) -> Any:
    if isinstance(value, enum.Enum):
        return _clean(value.value, where, in_list=True, depth=depth + 1)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)) and value == value:  # noqa: PLR0124 - NaT
        return value.isoformat()
    if isinstance(value, (PurePath, uuid.UUID)):
        return _clean_text(str(value), where)
    if isinstance(value, str):  # of a subclass, e.g. numpy.str_
        return _clean_text(value, where)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        return _clean_numpy(value, where, depth)
    raise InvalidMetadataError(
        f"{where}: {_describe(value)} cannot be kept in metadata; expected text, numbers, booleans, None, dates, "
        "paths, and lists or mappings of them. Convert it, or store it as data."
    )


def _clean_numpy(value: Any, where: str, depth: int) -> Any:
    kind = value.dtype.kind
    if value.size > MAX_INLINE_SIZE:
        raise InvalidMetadataError(
            f"{where}: an array of {value.size} elements is too large for metadata (at most {MAX_INLINE_SIZE}); "
            "store it as data."
        )
    if kind == "M" and value.shape == ():
        import numpy

        if not numpy.isnat(value):
            return str(value)
    if kind in "biu" or (kind == "f" and value.dtype.itemsize <= 8):
        return value.tolist() if value.shape else value.item()
    if kind in {"O", "T", "U"}:
        return _clean(value.tolist(), where, in_list=True, depth=depth + 1)
    raise InvalidMetadataError(
        f"{where}: {_describe(value)} cannot be kept in metadata without loss; convert it, or store it as data."
    )


def _describe(value: Any) -> str:
    kind = type(value)
    name = kind.__name__ if kind.__module__ in ("builtins", "numpy") else f"{kind.__module__}.{kind.__qualname__}"
    dtype = getattr(value, "dtype", None)
    return f"a {name}" + (f" of dtype {dtype}" if dtype is not None and kind.__module__ == "numpy" else "")


def parent_uids(start: Mapping[str, object]) -> list[str]:
    """Return the uids of the parents in a start document, under any of the known keys, each once."""
    found: dict[str, None] = {}
    for key in PARENT_KEYS:
        named = start.get(key)
        for uid in named if isinstance(named, (list, tuple)) else [named]:
            if isinstance(uid, str) and uid:
                found[uid] = None
    return list(found)


# ------------------------------------------------------------------------------------------------- compose


def compose_descriptor(
    run_uid: str, name: str, data_keys: Mapping[str, Document], time: float, extra: Mapping[str, object]
) -> Document:
    """Return a descriptor; keys of ``extra`` (hints, configuration …) take precedence."""
    return {
        "run_start": run_uid,
        "time": time,
        "uid": new_uid(),
        "name": name,
        "data_keys": dict(data_keys),
        "object_keys": {"analysis": list(data_keys)},
        "configuration": {"analysis": {"data": {}, "timestamps": {}, "data_keys": {}}},
        "hints": {},
        **extra,
    }


def compose_resource(run_uid: str, spec: str, root: str, path: str, kwargs: Mapping[str, object]) -> Document:
    """Return a resource; ``path`` is relative to ``root``, with forward slashes."""
    return {
        "uid": new_uid(),
        "run_start": run_uid,
        "spec": spec,
        "root": root,
        "resource_path": path,
        "path_semantics": "posix",
        "resource_kwargs": dict(kwargs),
    }


def compose_datum(resource_uid: str, index: int, kwargs: Mapping[str, object]) -> Document:
    """Return the ``index``-th datum of a resource."""
    return {"datum_id": f"{resource_uid}/{index}", "resource": resource_uid, "datum_kwargs": dict(kwargs)}


def event_uid(descriptor_uid: str, seq_num: int) -> str:
    """Return the uid of an event: the descriptor's uid, with the sequence number as last group.

    A random uid would have to be stored with every event; this uid is unique because the descriptor's uid is.
    """
    return f"{descriptor_uid[:24]}{seq_num:012x}"


def compose_stop(
    run_uid: str,
    *,
    time: float,
    num_events: Mapping[str, int],
    digests: Sequence[Document] = (),
    exit_status: str = "success",
    reason: str = "",
) -> Document:
    """Return a stop document that carries the digests of all values."""
    return {
        "run_start": run_uid,
        "time": time,
        "uid": new_uid(),
        "exit_status": exit_status,
        "reason": reason,
        "num_events": dict(num_events),
        "digests": [dict(digest) for digest in digests],
    }


def unpack_page(name: str, page: Mapping[str, object]) -> Iterator[tuple[str, Document]]:
    """Yield the single documents of a page; anything else is yielded as it is."""
    if name == "event_page":
        from event_model import unpack_event_page

        yield from (("event", dict(event)) for event in unpack_event_page(page))  # type: ignore[arg-type]
    elif name == "datum_page":
        from event_model import unpack_datum_page

        yield from (("datum", dict(datum)) for datum in unpack_datum_page(page))  # type: ignore[arg-type]
    else:
        yield name, dict(page)


def is_time(value: object) -> bool:
    """Return True if a value is a usable POSIX time: a finite number of seconds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
