"""``analysis-store processors``: list registered processors and their parameters."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, table
from analysis_store.cli.options import JsonOption
from analysis_store.cli.presets import ImportOption, import_modules

if TYPE_CHECKING:
    from analysis_store.processing import Processor

COLUMNS = ("id", "version", "what it does", "package")
PARAMETER_COLUMNS = ("parameter", "type", "default", "rules")

_TOLD = {"type", "anyOf", "allOf", "items", "prefixItems", "default", "title", "description", "$ref", "enum", "const"}
"""Entries of a schema that are not rules, or are shown in another column."""
_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def processors(
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Show details of this processor; id@version for an older version."),
    ] = None,
    modules: ImportOption = None,
    as_json: JsonOption = False,
) -> None:
    """List registered processors, or show details of one.

    Processors are registered by installed packages; --import adds those of another module.
    """
    from analysis_store.processing import get_processor
    from analysis_store.processing import processors as registered

    import_modules(modules)
    found = [get_processor(name)] if name else registered()
    if as_json:
        documents = [_document(each) for each in found]
        print_json(documents[0] if name else documents)
    elif name:
        _tell(found[0])
    else:
        table(COLUMNS, [[each.id, each.version, each.description, _package(each)] for each in found])


def _document(processor: Processor) -> dict[str, Any]:
    return {
        "id": processor.id,
        "version": processor.version,
        "description": processor.description,
        "package": _package(processor),
        "function": processor.entry_point,
        "schema": processor.parameters.schema,
    }


def _package(processor: Processor) -> str:
    return processor.function.__module__.partition(".")[0]


def _tell(processor: Processor) -> None:
    say(f"{processor.id} {processor.version}", f"code  {processor.entry_point}  {_place(processor)}".rstrip(), "")
    text = inspect.getdoc(processor.function)
    if text:
        say(*text.splitlines(), "")
    rows = list(_rows(processor.parameters.schema))
    if rows:
        table(PARAMETER_COLUMNS, rows)
    else:
        say("It takes no parameters.")


def _place(processor: Processor) -> str:
    """Return file and line of the code, in the form that editors read; empty if the file is gone."""
    function = inspect.unwrap(processor.function)
    file = inspect.getsourcefile(function)
    return f"{file}:{function.__code__.co_firstlineno}" if file else ""


def _rows(schema: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the row of each parameter in a schema."""
    kinds, required = schema.get("$defs", {}), schema.get("required", ())
    for name, told in schema.get("properties", {}).items():
        default = "needed" if name in required else json.dumps(told.get("default"), ensure_ascii=False)
        yield [name, type_text(told, kinds), default, ", ".join(_rules(told, kinds))]


def type_text(schema: Mapping[str, Any], kinds: Mapping[str, Any]) -> str:
    """Return the type of a JSON Schema, in words; ``kinds`` are its ``$defs``."""
    schema = _meant(schema, kinds)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(type_text(each, kinds) for each in schema["anyOf"])
    if "prefixItems" in schema:
        return f"[{', '.join(type_text(each, kinds) for each in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {type_text(schema.get('items', {}), kinds)}"
    return str(schema.get("type", "anything"))


def _rules(schema: Mapping[str, Any], kinds: Mapping[str, Any]) -> Iterator[str]:
    """Yield the rules for a value other than its type."""
    meant = _meant(schema, kinds)
    fixed = "prefixItems" in meant  # the type shows the number of items
    for key, value in meant.items():
        if key not in _TOLD and not (fixed and key in {"minItems", "maxItems"}) and not isinstance(value, dict):
            yield f"{_SIGNS.get(key, key)} {json.dumps(value, ensure_ascii=False)}"
    for each in meant.get("anyOf", ()):
        yield from _rules(each, kinds)


def _meant(schema: Mapping[str, Any], kinds: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema, or the schema that it refers to."""
    reference = str(schema.get("$ref", "")).rpartition("/")[2]
    meant: Mapping[str, Any] = kinds.get(reference, schema)
    return meant
