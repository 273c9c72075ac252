"""Resource documents and their classes: location of the file, its handler, and the datum kwargs of a writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from analysis_store.errors import AnalysisStoreError, PairError, UnsafeFileError
from analysis_store.handlers.base import Handler
from analysis_store.writers.base import Writer

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.pairs.registry import Registry


def resolve_path(resource: Document, root_map: Mapping[str, str] | None = None) -> Path:
    """Return the file of a resource, with its root replaced by that of ``root_map``.

    Parameters
    ----------
    resource : mapping
        A resource document.
    root_map : mapping of str to str, optional
        From the root in the document to the root on this machine.

    Raises
    ------
    UnsafeFileError
        The file is outside the root: by ``..``, an absolute path, or a symbolic link.
    """
    told, path = str(resource["root"]), str(resource["resource_path"])
    if resource.get("path_semantics") == "windows":
        path = PureWindowsPath(path).as_posix()
    roots = {old.rstrip("/"): new for old, new in (root_map or {}).items()}
    root = Path(roots.get(told.rstrip("/"), told or "/"))
    try:
        real, inside = (root / path).resolve(), root.resolve()
    except (ValueError, OSError, RuntimeError) as error:  # a NUL in the name, a circle of links
        raise UnsafeFileError(f"The resource {resource.get('uid')} has the invalid path {path!r}: {error}.") from error
    if not real.is_relative_to(inside):
        raise UnsafeFileError(
            f"The resource {resource.get('uid')} has the path {path!r}, which leads to {real}, outside its root "
            f"{inside}. If the files "
            "were moved, give root_map={old root: new root}."
        )
    return real


def open_handler(resource: Document, registry: Registry, root_map: Mapping[str, str] | None = None) -> Any:
    """Return a handler for a resource.

    Raises
    ------
    UnknownSpecError
        No handler is known for the spec.
    UnsafeFileError
        The file is outside the root.
    PairError
        The handler does not accept the arguments in the resource.
    """
    handler = registry[resource["spec"]]
    path = resolve_path(resource, root_map)
    try:
        return handler(str(path), **resource["resource_kwargs"])
    except AnalysisStoreError:
        raise
    except Exception as error:
        raise PairError(
            f"The handler {_name(handler)} of {resource['spec']!r} refuses {path} with "
            f"{resource['resource_kwargs']!r}: {error!r}."
        ) from error


def call_writer(writer: Any, key: str, value: object) -> dict[str, Any]:
    """Return the datum kwargs of one value, which ``writer`` writes now.

    A `Writer` returns them by key. Another object has the form of 2018: it is called with one key at a
    time, and returns them flat.

    Raises
    ------
    PairError
        The result is not a mapping of that form.
    """
    answer = writer({key: value})
    expected = f"{{{key!r}: datum kwargs}}" if isinstance(writer, Writer) else "the datum kwargs"
    if isinstance(writer, Writer) and isinstance(answer, Mapping):
        answer = answer.get(key)
    if not isinstance(answer, Mapping) or not all(isinstance(name, str) for name in answer):
        raise PairError(
            f"The writer {_name(type(writer))} returned {answer!r} for {key!r}; expected a mapping, "
            f"{expected}, from which its "
            "handler finds the value."
        )
    return dict(answer)


def call_handler(handler: Any, datum_kwargs: Mapping[str, object]) -> Any:
    """Return one value, lazily if the handler supports it; errors of the handler are not caught."""
    return (handler.unread if isinstance(handler, Handler) else handler)(**datum_kwargs)


def _name(found: Any) -> str:
    return getattr(found, "__qualname__", None) or repr(found)
