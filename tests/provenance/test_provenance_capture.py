"""The code of a result is found by itself, wherever it runs: installed, in a checkout, a script, a cell, a prompt."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from analysis_store.errors import ProvenanceError
from analysis_store.provenance import Code, Policy, Provenance
from analysis_store.provenance.code import capture as capture_module
from analysis_store.provenance.code import checkout as checkout_module
from analysis_store.provenance.resolve import settle
from analysis_store.provenance.texts import text_digest

SAVE = """
import json
from analysis_store.provenance import Policy
from analysis_store.provenance.resolve import settle

def analyse():
    done = settle(None, {"parent_uids": ["a"]}, policy=Policy(), lookup=lambda uid: "here")
    print(json.dumps({"code": done.document["code"], "patch": done.patch, "source": done.source}))
"""
LABELS = "Project-URL: Docs, https://docs.example.org\nProject-URL: Source Code, https://u:p@example.org/lab/peaks\n"


def run(*command: str | Path, cwd: Path, path: Path | None = None, text: str | None = None) -> dict[str, Any]:
    """Run Python for real; return what it found of its code."""
    env = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=env, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def git(folder: Path, *arguments: str) -> str:
    """Run git for real."""
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit(folder: Path, url: str | None = "https://example.org/group/code.git") -> str:
    """Make a checkout of a folder; return its commit."""
    git(folder, "init")
    if url:
        git(folder, "remote", "add", "origin", url)
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


def load(file: Path) -> ModuleType:
    """Import a file as a module of its own name."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def captured(obj: object) -> Code:
    """Return the code that is found of an object."""
    code = Provenance.capture(obj).code
    assert code is not None
    return code


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call looks at the checkout anew."""
    monkeypatch.setattr(checkout_module, "LOOK_EVERY", 0.0)


# ------------------------------------------------------------------------------------------------------- installed


def install(site: Path, *, metadata: str = LABELS, direct_url: dict[str, Any] | None = None, copy: bool = True) -> Path:
    """Lay a distribution out as an installer does; return the folder that holds the package."""
    info = site / "lab_peaks-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lab-peaks\nVersion: 1.2\n{metadata}")
    if direct_url is not None:
        (info / "direct_url.json").write_text(json.dumps(direct_url))
    home = site if copy else site.parent / "project"
    (home / "peaks").mkdir(parents=True)
    (home / "peaks" / "__init__.py").touch()
    (home / "peaks" / "fit.py").write_text(SAVE)
    files = ["peaks/__init__.py", "peaks/fit.py"] if copy else ["__editable__.lab_peaks-1.2.pth"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    return home


def test_an_installed_distribution(tmp_path: Path) -> None:
    """Name, version and address are those of its metadata, the address of its source before others."""
    install(tmp_path / "site-packages")
    found = run("-c", "from peaks.fit import analyse; analyse()", cwd=tmp_path, path=tmp_path / "site-packages")
    assert found["code"] == {
        "name": "lab-peaks",
        "version": "1.2",
        "url": "https://example.org/lab/peaks",
        "entry_point": "peaks.fit:analyse",
        "stated": [],
    }
    assert (found["patch"], found["source"]) == (None, None)


def test_a_distribution_installed_from_a_commit(tmp_path: Path) -> None:
    """The installer wrote the commit down."""
    direct = {"url": "https://tok@example.org/fork.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
    install(tmp_path / "site-packages", direct_url=direct)
    found = run("-c", "from peaks.fit import analyse; analyse()", cwd=tmp_path, path=tmp_path / "site-packages")
    assert (found["code"]["commit"], found["code"]["url"]) == ("c0ffee", "https://example.org/fork.git")


def test_a_distribution_without_an_address_is_asked_for_it(tmp_path: Path) -> None:
    """And an address alone is enough of an answer."""
    install(tmp_path / "site-packages", metadata="")
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site-packages")}
    command = [sys.executable, "-c", "from peaks.fit import analyse; analyse()"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "code: url of 'lab-peaks' not known. Give Provenance(code=Code(" in done.stderr
    text = tmp_path / "site-packages" / "peaks" / "fit.py"
    text.write_text(SAVE.replace("settle(None", 'settle({"code": {"url": "https://example.org/here"}}'))
    found = run("-c", "from peaks.fit import analyse; analyse()", cwd=tmp_path, path=tmp_path / "site-packages")
    assert (found["code"]["version"], found["code"]["url"]) == ("1.2", "https://example.org/here")


def test_an_editable_distribution_has_the_commit_of_its_checkout(tmp_path: Path) -> None:
    """Name and version of the metadata; commit, address and changes of the checkout."""
    site = tmp_path / "site-packages"
    direct = {"url": (tmp_path / "project").as_uri(), "dir_info": {"editable": True}}
    home = install(site, direct_url=direct, copy=False)
    made = commit(home)
    (home / "peaks" / "new.py").write_text("x = 1\n")
    found = run("-c", "from peaks.fit import analyse; analyse()", cwd=tmp_path, path=Path(f"{site}:{home}"))
    assert found["code"] == {
        "name": "lab-peaks",
        "version": "1.2",
        "commit": made,
        "url": "https://example.org/group/code.git",
        "dirty": True,
        "entry_point": "peaks.fit:analyse",
        "digest": text_digest(found["patch"]),
        "stated": [],
    }
    assert "+x = 1" in found["patch"]


def test_an_editable_distribution_without_a_checkout_is_kept_as_text(tmp_path: Path) -> None:
    """Its version says little of what it is now."""
    site = tmp_path / "site-packages"
    direct = {"url": (tmp_path / "project").as_uri(), "dir_info": {"editable": True}}
    home = install(site, direct_url=direct, copy=False)
    found = run("-c", "from peaks.fit import analyse; analyse()", cwd=tmp_path, path=Path(f"{site}:{home}"))
    assert (found["code"]["name"], found["code"]["version"], found["source"]) == ("lab-peaks", "1.2", SAVE)


def test_a_distribution_that_an_old_setuptools_develops(tmp_path: Path) -> None:
    """Its metadata lie in the checkout; there is no list of files."""
    home = install(tmp_path / "site-packages", copy=False)
    info = home / "lab_peaks.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: lab-peaks\nVersion: 1.3\n")
    (info / "top_level.txt").write_text("peaks\n")
    made = commit(home)
    found = run("-c", "from peaks.fit import analyse; analyse()", cwd=tmp_path, path=home)
    assert [found["code"][key] for key in ("name", "version", "commit")] == ["lab-peaks", "1.3", made]


@pytest.mark.slow
def test_a_project_built_and_installed_in_place_for_real(tmp_path: Path) -> None:
    """By pip, with setuptools: what the installers of today write is understood."""
    project = tmp_path / "project"
    (project / "realpeaks").mkdir(parents=True)
    (project / "realpeaks" / "__init__.py").write_text(SAVE)
    (project / "setup.cfg").write_text("[metadata]\nname=real-peaks\nversion=2.5\nurl=https://example.org/r\n")
    (project / "setup.py").write_text("from setuptools import setup\nsetup(packages=['realpeaks'])\n")
    target = tmp_path / "site-packages"
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    install = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(project)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot build here without a network: {done.stderr.strip().splitlines()[-1]}")
    found = run("-c", "from realpeaks import analyse; analyse()", cwd=tmp_path, path=target)
    assert found["code"] == {
        "name": "real-peaks",
        "version": "2.5",
        "url": "https://example.org/r",
        "entry_point": "realpeaks:analyse",
        "stated": [],
    }


def test_objects_of_libraries() -> None:
    """Functions in Python and in C, classes, modules; those of Python itself are Python."""
    for obj in (np.fft.fft, np.exp, np.ndarray, np, functools.partial(np.fft.fft, n=3), np.linalg.norm):
        assert (captured(obj).name, captured(obj).version) == ("numpy", np.__version__)
    for thing in (json.dumps, math.sin, json, ThreadPoolExecutor):
        assert (captured(thing).name, captured(thing).version) == ("python", platform.python_version())
    assert captured(np.fft.fft).entry_point == "numpy.fft._pocketfft:fft"
    with pytest.raises(ProvenanceError, match="capture: Got 3, a int; expected a function, class or module"):
        Provenance.capture(3)


# ------------------------------------------------------------------------------------------------- checkout, script


def test_a_script_in_a_checkout(tmp_path: Path) -> None:
    """The name is that of the repository, the entry point that of the file."""
    (tmp_path / "reduce.py").write_text(SAVE + "analyse()\n")
    made = commit(tmp_path)
    found = run("reduce.py", cwd=tmp_path)
    assert found["code"] == {
        "name": "code",
        "commit": made,
        "url": "https://example.org/group/code.git",
        "dirty": False,
        "entry_point": "reduce.py:analyse",
        "stated": [],
    }


def test_a_checkout_without_a_remote_has_the_address_of_its_folder(tmp_path: Path) -> None:
    """Nobody is kept from saving because a repository is local; where the commit is can be told."""
    (tmp_path / "reduce.py").write_text(SAVE + "analyse()\n")
    commit(tmp_path, url=None)
    found = run("reduce.py", cwd=tmp_path)
    assert found["code"]["url"].startswith("file://")
    assert found["code"]["name"] == tmp_path.name


def test_a_loose_script_is_kept_as_text(tmp_path: Path) -> None:
    """Run by its name, as a module or through a link: the text is kept, and its digest stands for the commit."""
    script = tmp_path / "reduce.py"
    script.write_bytes((SAVE + "analyse()\r\n# \u00e9\n").encode())
    (tmp_path / "link.py").symlink_to(script)
    for command in (["reduce.py"], ["-m", "reduce"], ["link.py"]):
        found = run(*command, cwd=tmp_path)
        assert found["source"].encode() == script.read_bytes()
        assert found["code"] == {
            "name": "reduce",
            "entry_point": "reduce.py:analyse",
            "digest": text_digest(found["source"]),
            "stated": [],
        }


@pytest.mark.parametrize(
    ("given", "name", "url"),
    [
        (None, "xas-scripts", "https://example.org/xas"),
        ({"name": "mine"}, "mine", "https://example.org/xas"),
        ({"url": "https://example.org/mine"}, "xas-scripts", "https://example.org/mine"),
    ],
)
def test_code_at_home_nowhere_takes_name_and_address_of_the_store(
    tmp_path: Path, given: dict[str, str] | None, name: str, url: str
) -> None:
    """What is given with the result wins; the text is kept either way."""
    file = tmp_path / "loose.py"
    file.write_text(
        "def save(settle, code, **options): return settle({'parents': ['a'], 'code': code}, {}, **options)\n"
    )
    defaults = {"name": "xas-scripts", "url": "https://example.org/xas"}
    done = load(file).save(settle, given, policy=Policy(), lookup={"a": "here"}.get, code_defaults=defaults)
    assert (done.document["code"]["name"], done.document["code"]["url"]) == (name, url)
    assert done.source == file.read_text()


def test_a_script_that_changes_is_read_again(tmp_path: Path) -> None:
    """The text that is kept is the text that is there."""
    file = tmp_path / "changing.py"
    file.write_text("def f(): return 1\n")
    module = load(file)
    assert captured(module.f).source == "def f(): return 1\n"
    file.write_text("def f(): return 10\n")
    assert captured(module.f).source == "def f(): return 10\n"


CALLER = "def save(settle, said=None, **options): return settle(said, {'parent_uids': ['a']}, **options)\n"


@pytest.mark.usefixtures("at_once")
def test_uncommitted_code_three_ways(tmp_path: Path) -> None:
    """Its patch is kept; or it is refused with its files named, unless a reason is allowed; or it is only told."""
    file = tmp_path / "fitting.py"
    file.write_text(CALLER)
    commit(tmp_path)
    save = functools.partial(load(file).save, settle, lookup={"a": "here"}.get)
    for dirty in ("diff", "refuse", "allow"):
        assert save(policy=Policy(dirty=dirty)).document["code"]["dirty"] is False
    file.write_text(CALLER + "E0 = 7112\n")

    kept = save(policy=Policy(dirty="diff"))
    assert kept.document["code"]["dirty"] is True
    assert kept.patch.endswith("\n+E0 = 7112\n")
    assert kept.document["code"]["digest"] == text_digest(kept.patch)

    told = save(policy=Policy(dirty="allow"))
    assert told.document["code"]["dirty"] is True
    assert told.patch is None
    assert "digest" not in told.document["code"]

    with pytest.raises(ProvenanceError, match=r"uncommitted changes, which .* refuses: fitting\.py\. Commit them"):
        save(policy=Policy(dirty="refuse"))
    reason = {"waiver": "the beam ends at six"}
    assert save(reason, policy=Policy(dirty="refuse", allow_waiver=True)).document["waiver"] == reason["waiver"]


def test_git_that_does_not_tell_leaves_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a warning, once; but a store that refuses uncommitted code cannot take what it cannot tell."""
    file = tmp_path / "silent.py"
    file.write_text(CALLER)
    commit(tmp_path)
    module = load(file)
    monkeypatch.setenv("PATH", "")
    with pytest.warns(UserWarning, match=r"The commit of .*silent\.py is unknown: git is not installed"):
        done = module.save(settle, policy=Policy(), lookup={"a": "here"}.get)
    assert done.source == file.read_text()
    assert module.save(settle, policy=Policy(), lookup={"a": "here"}.get).source == done.source
    with pytest.raises(ProvenanceError, match="it is unknown whether 'silent' is committed: git is not installed"):
        module.save(settle, policy=Policy(dirty="refuse"), lookup={"a": "here"}.get)


def test_a_patch_that_is_too_large_is_refused_where_it_would_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nowhere else."""
    file = tmp_path / "large.py"
    file.write_text(CALLER)
    commit(tmp_path)
    module = load(file)
    file.write_text(file.read_text() + "#" * 3000)
    monkeypatch.setattr("analysis_store.provenance.code.patch.MAX_PATCH", 1000)
    with pytest.raises(ProvenanceError, match=r"code: the uncommitted changes in .* make a patch of"):
        module.save(settle, policy=Policy(), lookup={"a": "here"}.get)
    assert module.save(settle, policy=Policy(dirty="allow"), lookup={"a": "here"}.get).document["code"]["dirty"]


# --------------------------------------------------------------------------------------------------- what is given


@pytest.mark.usefixtures("at_once")
def test_what_is_given_fills_and_wins(tmp_path: Path) -> None:
    """An address for this very code; another name is other code; another commit is a contradiction."""
    file = tmp_path / "giving.py"
    file.write_text(
        "def save(settle, code, **options): return settle({'parents': ['a'], 'code': code}, {}, **options)\n"
    )
    made = commit(tmp_path)
    save = functools.partial(load(file).save, settle, policy=Policy(), lookup={"a": "here"}.get)
    code = save({"url": "https://example.org/here"}).document["code"]
    assert (code["name"], code["commit"], code["url"]) == ("code", made, "https://example.org/here")
    assert code["stated"] == ["url"]
    code = save({"commit": made[:8]}).document["code"]
    assert (code["commit"], code["stated"]) == (made, [])
    with pytest.raises(ProvenanceError, match="code: name not known"):
        save({"url": "https://example.org/here", "version": "7"})
    with pytest.raises(ProvenanceError, match="url and version or commit of 'feff' not known"):
        save({"name": "feff"})
    with pytest.raises(ProvenanceError, match=f"Got the commit c0ffee, but the checkout is at {made}"):
        save({"commit": "c0ffee"})


def test_captured_code_goes_into_another_result(tmp_path: Path) -> None:
    """The function that made the result may be elsewhere than the call that saves it; its patch comes along."""
    file = tmp_path / "elsewhere.py"
    file.write_text("class Fit:\n    def run(self): return 1\n")
    commit(tmp_path)
    file.write_text("class Fit:\n    def run(self): return 2\n")
    module = load(file)
    for obj in (module.Fit, module.Fit.run, module.Fit().run):
        done = settle(Provenance(parents="a", code=captured(obj)), {}, policy=Policy(), lookup={"a": "here"}.get)
        assert done.document["code"]["entry_point"].startswith("elsewhere:Fit")
        assert done.patch is not None
        assert "+    def run(self): return 2" in done.patch
    with pytest.raises(ProvenanceError, match=r"refuses: elsewhere\.py"):
        settle(Provenance(parents="a", code=captured(module)), {}, policy=Policy(dirty="refuse"), lookup={"a": "h"}.get)


# ------------------------------------------------------------------------------------- cells, profiles and prompts


def test_a_cell_of_ipython(tmp_path: Path) -> None:
    """Everything that was typed is kept: the cell that saves seldom computes all of it."""
    script = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in ({SAVE!r}, "e0 = 7112.3", "%pwd", "analyse()"):
    shell.run_cell(cell, store_history=True)
"""
    (tmp_path / "shell.py").write_text(script)
    found = run("shell.py", cwd=tmp_path)
    assert found["code"]["name"] == "ipython"
    assert found["code"]["entry_point"] == "ipython:analyse"
    assert found["code"]["digest"] == text_digest(found["source"])
    for part in ("# In[1]:\n\nimport json", "# In[2]:\ne0 = 7112.3", "# In[3]:\n%pwd", "# In[4]:\nanalyse()"):
        assert part in found["source"]


def test_a_cell_that_history_does_not_hold_is_kept_too(tmp_path: Path) -> None:
    """As a tool runs it behind the scenes."""
    script = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("e0 = 7112.3", store_history=True)
shell.run_cell({SAVE + "analyse()"!r}, store_history=False)
"""
    (tmp_path / "shell.py").write_text(script)
    source = run("shell.py", cwd=tmp_path)["source"]
    assert "# In[1]:\ne0 = 7112.3" in source
    assert "# In[*]:" in source
    assert "def analyse():" in source


def test_a_notebook(tmp_path: Path) -> None:
    """Run by a real kernel, under the name of the notebook where the server tells it."""
    pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    cells = [nbformat.v4.new_code_cell(text) for text in (SAVE, "e0 = 7112.3", "analyse()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    script = tmp_path / "execute.py"
    nbformat.write(notebook, tmp_path / "fe foil.ipynb")
    script.write_text(
        "import nbformat, nbclient\n"
        "nb = nbclient.execute(nbformat.read('fe foil.ipynb', 4))\n"
        "print(nb.cells[-1].outputs[0].text)\n"
    )
    env = os.environ | {"JPY_SESSION_NAME": str(tmp_path / "fe foil.ipynb")}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert (found["code"]["name"], found["code"]["entry_point"]) == ("fe foil", "fe foil:analyse")
    for part in ("# In[1]:", "def analyse():", "e0 = 7112.3", "# In[3]:\nanalyse()"):
        assert part in found["source"]


def test_a_profile_of_ipython(tmp_path: Path) -> None:
    """A startup file runs as the main module, but it is a file: the one that is named."""
    startup = tmp_path / "profile_collection" / "startup"
    startup.mkdir(parents=True)
    (startup / "50-insert_analysis.py").write_text(SAVE)
    command = ("-m", "IPython", f"--profile-dir={startup.parent}", "--no-banner", "--colors=NoColor", "-c", "analyse()")
    found = run(*command, cwd=tmp_path)
    assert found["code"]["name"] == "50-insert_analysis"
    assert found["code"]["entry_point"] == "50-insert_analysis.py:analyse"
    assert found["source"] == SAVE
    (startup.parent / ".gitignore").write_text("*\n!startup/\n!startup/*.py\n")
    made = commit(startup.parent, "https://github.com/NSLS-II-ISS/profile_collection")
    found = run(*command, cwd=tmp_path)
    assert found["code"]["commit"] == made
    assert (found["code"]["name"], found["code"]["dirty"]) == ("profile_collection", False)


def test_python_c(tmp_path: Path) -> None:
    """The command is its source."""
    command = SAVE + "analyse()"
    found = run("-c", command, "an argument", cwd=tmp_path)
    assert found["source"].strip() == command.strip()
    assert (found["code"]["name"], found["code"]["entry_point"]) == ("python", "python:analyse")


def test_what_is_typed_where_nothing_remembers_it_is_asked_for(tmp_path: Path) -> None:
    """Python reading from a pipe forgets what it has read."""
    done = subprocess.run(
        [sys.executable, "-"], cwd=tmp_path, input=SAVE + "\nanalyse()\n", capture_output=True, text=True, check=False
    )
    assert "code: name and url and version or commit not known (the source text of " in done.stderr
    assert "__main__ (<stdin>) is unknown, since it is not in a file)" in done.stderr


def test_generated_code_belongs_to_its_module(tmp_path: Path) -> None:
    """What a module makes with exec is told by the file of the module."""
    file = tmp_path / "generating.py"
    file.write_text("exec('def made(): return 1')\n")
    assert captured(load(file).made).source == file.read_text()


def test_threads_and_pools(tmp_path: Path) -> None:
    """Where no code but Python's own called, it is the main module that did."""
    script = tmp_path / "pool.py"
    script.write_text(
        SAVE.replace("def analyse", "def unused") + "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor()\n"
        "done = pool.submit(settle, None, {'parent_uids': ['a']}, policy=Policy(), lookup=lambda _: 'here').result()\n"
        "print(json.dumps({'code': done.document['code']}))\n"
    )
    assert run("pool.py", cwd=tmp_path)["code"]["entry_point"] == "pool.py"


@pytest.mark.parametrize(
    ("module", "caller"), [("analysis_store.cli.x", "analysis_store.cli.x:save"), ("analysis_store.x", None)]
)
def test_the_command_line_is_its_own_caller(tmp_path: Path, module: str, caller: str | None) -> None:
    """Not the library that it is made with; the rest of the package is never the caller."""
    file = tmp_path / "door.py"
    file.write_text(CALLER)
    inside: dict[str, Any] = {"__name__": module, "__file__": str(file)}
    exec(compile(CALLER, file, "exec"), inside)
    done = inside["save"](settle, policy=Policy(), lookup={"a": "here"}.get)
    expected = caller or f"{__name__}:test_the_command_line_is_its_own_caller"
    assert done.document["code"]["entry_point"] == expected


def test_a_command_of_a_distribution(tmp_path: Path) -> None:
    """A script that an installer put among the commands is part of its distribution."""
    scripts = Path(sys.executable).parent
    command = scripts / "pytest"
    if not command.exists():
        pytest.skip("pytest is not installed as a command here")
    found = capture_module.installed(str(command.resolve()))
    assert found is not None
    assert found.name == "pytest"


def test_capture_alone_tells_the_caller_and_the_environment() -> None:
    """Usable without a store."""
    done = Provenance.capture()
    assert done.code is not None
    assert done.code.entry_point == f"{__name__}:test_capture_alone_tells_the_caller_and_the_environment"
    assert set(done.environment or {}) == {"digest", "python", "platform"}


def test_many_threads_find_the_same(tmp_path: Path) -> None:
    """What is remembered is shared without harm."""
    file = tmp_path / "shared.py"
    file.write_text("def f(): pass\n")
    commit(tmp_path)
    f, found, start = load(file).f, [], threading.Barrier(8)

    def look() -> None:
        start.wait()
        found.append(captured(f))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_capturing_again_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout is asked once in a while, not at every save."""
    monkeypatch.setattr(checkout_module, "LOOK_EVERY", 1000.0)
    file = tmp_path / "quick.py"
    file.write_text("def f(): pass\n")
    commit(tmp_path)
    f = load(file).f
    first = captured(f)
    monkeypatch.setenv("PATH", "")  # without git
    assert captured(f) == first
    assert first.commit
