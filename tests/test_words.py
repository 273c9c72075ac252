"""The words that people read: pages, docstrings, help and messages say it in plain English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "docs" / "explanations" / "decisions"

PACKAGE = ROOT / "analysis_store"
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs")]
ROOMS = sorted(path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())

# Texts of these are kept: in the digests of results, where they change with a new version of the function; in bundles.
EXCEPT = ("analysis_store/processing/library", "analysis_store/trust/bundles/ro_crate.py")

# Idioms as regular expressions, and what to write instead.
BANNED = {
    r"anew": "again; rebuild",
    r"mend(s|ed|ing)?": "repair, fix",
    r"shall": "must, will",
    r"(?<!run\.)beside(?! the point)": "next to, with, in addition to",
    r"told(?! apart)|tells?(?! apart)": "say, report, give, show, list",
    r"whoever|whatever|somebody|nobody|anybody": "the caller, another process, a reader, any value",
    r"(is|are|was|were) (?-i:none)": "is not a …, is missing, is invalid; there is no …",
    r"(?<!there\s)(is|are|was|were) no (?!longer|more than|later than|earlier than)\w+": "is not a …",
    r"came;|came, expected": "Got X; expected Y. Do Z.",
    r"(came|comes?|coming) of": "derived from, result of",
    r"so (many|much)(?! (that|as|faster|slower|more|less))": "N, this number of",
    r"thither|hither|wherein|whereof|thereof|lest|albeit": "plain English",
    r"is good for|is at home|at home nowhere|as good as": "is used for; is in; is the same as",
}
IDIOMS = {
    re.compile(rf"\b(?:{idiom})(?!\w)".replace(" ", r"\s+"), re.IGNORECASE): better for idiom, better in BANNED.items()
}
# A sentence that begins with its object: "Of a run the file is …".
FRONTED = re.compile(r"(?:\A|[.:;] |\n\n)\s*(Of (?:an?|the|each|every|all|what|many|one|two) (?=[^.]{25}))")
# Code, links, comments and names of parameters quote what is fixed elsewhere.
FIXED = re.compile(
    r"^```.*?^```$|^<!-- hidden.*?^-->$|``.+?``|`[^`\n]+`|\]\([^)]*\)|https?://\S+|^ +\w+(?= : )",
    re.MULTILINE | re.DOTALL,
)
# A docstring of a function begins with what it does.
VERBS = """
Abandon Abort Accept Acknowledge Acquire Add Allocate Allow Annotate Answer Append Apply Arrange Ask Assert Back
Backup Begin Bind Block Bring Build Cache Call Cancel Change Check Choose Claim Clear Close Collect Commit Compare
Compose Compress Compute Continue Convert Copy Count Create Declare Decode Decompress Define Delete Describe Disable
Discard Distribute Do Download Draw Drop Dump Encode End Ensure Enter Evaluate Exclude Execute Expect Explain Export
Extend Fail Feed Fetch Fill Find Finish Fit Flush Follow Forget Format Get Handle Hash Hold Ignore Import Index Insert
Interpret Iterate Join Keep Leave Lend Limit Link List Load Lock Log Look Make Map Mark Match Merge Move Name
Normalize Note Open Parse Pass Place Plot Post Prepare Print Process Prove Publish Purge Put Raise Rank Read Rebuild
Receive Recompute Record Recover Redraw Refuse Register Reindex Reject Release Remember Remove Rename Render Repair
Replace Report Request Reset Resolve Restore Retract Return Roll Run Save Search Select Send Serve Set Show Shut Skip
Sort Split Start Stop Store Submit Sum Sync Take Test Transfer Translate Try Turn Undo Unpack Update Upgrade Use
Validate Verify Visit Wait Walk Warn Work Wrap Write Yield
"""


def files(place: Path) -> list[Path]:
    """Return the pages or modules at a path of the checkout."""
    kind = "*.py" if place.is_relative_to(PACKAGE) else "*.md"
    found = [place] if place.is_file() else sorted(place.rglob(kind))
    assert found, f"{place} has no page and no module"
    return [each for each in found if not each.relative_to(ROOT).as_posix().startswith(EXCEPT)]


def idioms(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line of each banned idiom of a text, the idiom, and what to write instead."""
    prose = FIXED.sub(lambda fixed: "…" + "\n" * fixed[0].count("\n"), text)
    found = [(match, f"write: {better}") for idiom, better in IDIOMS.items() for match in idiom.finditer(prose)]
    found += [(match, "begin with the subject") for match in FRONTED.finditer(prose)]
    for match, advice in found:
        around = " ".join(prose[max(0, match.start() - 30) : match.end() + 30].split())
        yield prose.count("\n", 0, match.start()), f"{match[0].strip()!r} in {around!r}; {advice}"


def texts(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every text with a blank in it, docstrings too; what an f-string fills in is an ellipsis."""
    for node in ast.iter_child_nodes(module):
        match node:
            case ast.JoinedStr(values=values):
                yield (
                    node.lineno,
                    "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in values),
                )
            case ast.Constant(value=str(text)) if " " in text:
                yield node.lineno, text
            case _:
                yield from texts(node)


def beginnings(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each function whose docstring does not begin with a verb; a property may begin with a noun."""
    for node in ast.walk(module):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        decorators = " ".join(ast.unparse(each) for each in node.decorator_list)
        word, *_ = (ast.get_docstring(node) or "Return").split()
        if word.rstrip(",:;.") not in VERBS.split() and not ("property" in decorators or node.name.startswith("test_")):
            yield node.lineno, f"{node.name}: {word!r} is not a verb of the list"


def faults(path: Path) -> Iterator[str]:
    """Yield what is wrong with the words of a page or a module; a decision keeps its text, not its title."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        module = ast.parse(text)
        found = [(line + below, each) for line, words in texts(module) for below, each in idioms(words)]
        found += beginnings(module)
    else:
        title = path.parent == DECISIONS and path.name != "index.md"
        found = [(below + 1, each) for below, each in idioms(text.split("\n", 1)[0] if title else text)]
    yield from (f"{path.relative_to(ROOT)}:{line}: {each}" for line, each in sorted(found))


@pytest.mark.parametrize("place", [*PAGES, *ROOMS], ids=lambda place: place.name)
def test_plain_words(place):
    """No page, docstring, help text or message has a banned idiom, and docstrings begin with a verb."""
    found = [each for path in files(place) for each in faults(path)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "The run is made anew.",
        "3 axes came; expected 2.",
        "The key is none.",
        "Of a run that was deleted the name is kept.",
        "What comes of it.",
        "Nobody has it.",
        "``code`` tells it.",
    ],
)
def test_idioms_are_noticed(text):
    """The check sees what it is for."""
    assert [*idioms(text)]


@pytest.mark.parametrize(
    "text", ["``tell`` it", "`anew`", "```\nthe key is none\n```", "There is no run.", "told apart"]
)
def test_quotations_pass(text):
    """What quotes a name or a block of code is not touched."""
    assert not [*idioms(text)]
