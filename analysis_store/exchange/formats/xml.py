"""Runs as XML: elements named after their content. Entities and document types are always refused.

A file is ``<analysis_store_export version="1">`` with ``<metadata>`` and a ``<stream name="…">`` for each stream: in it
``<time>``, ``<seq_num>`` and a ``<column key="…" units="…">`` for each data key. See ``docs/reference/exchange``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from analysis_store.errors import AnalysisStoreError, DamagedFileError
from analysis_store.exchange.formats.xml_values import attribute, attributes, elements, only, tree_of
from analysis_store.exchange.skeleton import MARK, VERSION, check_held, export_of, metadata_tree, stream_parts

if TYPE_CHECKING:
    from analysis_store.exchange.arrays import Tree
    from analysis_store.exchange.content import Export
    from analysis_store.exchange.registry import Options
    from analysis_store.exchange.skeleton import ColumnPart
    from analysis_store.exchange.tree import Missing
    from analysis_store.runs.read.run import Run

_DEEPEST = 500


def write(run: Run, file: BinaryIO, options: Options) -> None:
    """Write a run; at most one column and its text are in memory."""
    file.writelines(piece.encode() for piece in _text(run, options))


def read(file: BinaryIO, missing: Missing = "error") -> Export:
    """Return the contents of a file.

    Raises
    ------
    DamagedFileError
        The file is not XML, is not an export, or declares a document type or entities.
    """
    check_held(file)
    try:
        whole = _whole(_parsed(file))
    except AnalysisStoreError:
        raise
    except (expat.ExpatError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise DamagedFileError(f"{file.name} is not an XML export: {error}. Restore it, or export again.") from error
    return export_of(whole, file.name, missing)


def _text(run: Run, options: Options) -> Iterator[str]:
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<{MARK} version="{VERSION}">\n<metadata>'
    yield from elements(metadata_tree(run))
    yield "</metadata>\n"
    for stream in stream_parts(run, options):
        yield f"<stream{attributes({'name': stream.name})}>\n<time>"
        yield from elements(stream.time)
        yield "</time>\n<seq_num>"
        yield from elements(stream.seq_num)
        yield "</seq_num>\n"
        for column in stream.columns:
            yield from _column(column)
        yield "</stream>\n"
    yield f"</{MARK}>\n"


def _column(column: ColumnPart) -> Iterator[str]:
    about = {"key": column.key} | ({} if column.units is None else {"units": column.units})
    yield f"<column{attributes(about)}>"
    yield from (f"<dim{attributes({'name': dim})}/>" for dim in column.dims)
    yield "\n<values>"
    yield from elements(column.values)
    yield "</values>\n</column>\n"


# ------------------------------------------------------------------------------------------------- reading


def _parsed(file: BinaryIO) -> Element:
    """Return the root element; stop the parser at anything that exports do not contain."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(tag: str, attrs: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise DamagedFileError(f"{file.name} is nested more than {_DEEPEST} deep; exports are not. Restore it.")
        builder.start(tag, attrs)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise DamagedFileError(f"{file.name} declares a document type or entities; exports do not. Restore it.")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.buffer_text = True
    parser.ParseFile(file)
    return builder.close()


def _whole(root: Element) -> Tree:
    """Return the tree in the form of the other text formats."""
    if root.tag != MARK:
        return None
    return {
        MARK: int(root.get("version", "")),
        "metadata": tree_of(only(_child(root, "metadata"))),
        "streams": {attribute(stream, "name"): _stream(stream) for stream in root.findall("stream")},
    }


def _stream(stream: Element) -> Tree:
    return {
        "time": tree_of(only(_child(stream, "time"))),
        "seq_num": tree_of(only(_child(stream, "seq_num"))),
        "data": {
            attribute(column, "key"): {"values": tree_of(only(_child(column, "values")))}
            for column in stream.findall("column")
        },
    }


def _child(element: Element, name: str) -> Element:
    found = element.find(name)
    if found is None:
        raise DamagedFileError(f"<{element.tag}> lacks <{name}>. The file was changed, or cut short; restore it.")
    return found
