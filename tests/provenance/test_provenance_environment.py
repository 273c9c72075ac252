"""The software around the code: what is installed, listed once, and anew only when it changed."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store.provenance import Policy
from analysis_store.provenance.code import environment as environments
from analysis_store.provenance.code.environment import environment
from analysis_store.provenance.resolve import settle
from analysis_store.provenance.texts import text_digest

if TYPE_CHECKING:
    import pytest


def make(folder: Path, *names: str) -> Path:
    """Make a folder of packages."""
    for name in names:
        (folder / name).mkdir(parents=True)
    return folder


def versions() -> dict[str, str]:
    """Return name and version of what is installed, as the environment tells."""
    return {package["name"]: package["version"] for package in environment().packages}


def test_it_is_what_the_standard_library_finds() -> None:
    """All of it, under normalised names."""
    expected: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        expected.setdefault(re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(), distribution.version)
    assert versions() == expected


def test_the_digest_is_over_the_list() -> None:
    """So that whoever has the list can check it."""
    around = environment()
    listed = json.dumps(around.packages, separators=(",", ":"))
    assert around.digest == text_digest(listed)
    assert around.to_document() == {
        "digest": around.digest,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def test_the_settled_provenance_holds_document_and_list() -> None:
    """The store keeps the list once per digest."""
    done = settle({"origin": "manual", "note": "x"}, {}, policy=Policy(), lookup=None)
    assert done.document["environment"]["digest"] == done.environment_digest == environment().digest
    assert {"name": "numpy", "version": importlib.metadata.version("numpy")} in done.environment


def test_old_and_odd_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of eggs, of metadata in place, of local versions; of one name the first on the path counts."""
    first = make(tmp_path / "first", "Old_Egg-1.0-py3.11.egg-info", "in_place.egg-info", "a.b_c-2.0+local.1.dist-info")
    (first / "in_place.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: in-place\nVersion: 3.1.dev0\n")
    second = make(tmp_path / "second", "old_egg-9.dist-info", "nameless.egg-info")
    monkeypatch.setattr(sys, "path", [str(first), str(second), str(tmp_path / "nowhere"), *sys.path])
    found = versions()
    assert [found[name] for name in ("old-egg", "in-place", "a-b-c")] == ["1.0", "3.1.dev0", "2.0+local.1"]
    assert found["nameless"] == "unknown"


def test_it_is_listed_anew_when_something_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not when results are written beside the script."""
    site = make(tmp_path / "site-packages", "one-1.0.dist-info")
    beside = make(tmp_path / "scripts", "results")
    monkeypatch.setattr(sys, "path", [str(beside), str(site), *sys.path])
    before = environment()
    (beside / "result.h5").touch()
    assert environment() is before
    make(site, "two-2.0.dist-info")
    after = environment()
    assert after.digest != before.digest
    assert {"name": "two", "version": "2.0"} in after.packages


def test_asking_again_lists_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked at every save: one look at each folder of packages, and what is in them is not read."""
    first, looks = environment(), []
    folders = [folder for folder, _ in environments._list()]
    monkeypatch.setattr(environments, "_list", None)
    monkeypatch.setattr(
        environments, "_mtime", lambda folder, seen=environments._mtime: looks.append(folder) or seen(folder)
    )
    assert environment() is first
    assert looks == folders
