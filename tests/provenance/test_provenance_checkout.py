"""Checkouts of real git repositories, in ordinary and in strange states."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.code import checkout as checkout_module
from analysis_store.provenance.code import git as git_module
from analysis_store.provenance.code import patch as patch_module
from analysis_store.provenance.code.checkout import Checkout, checkout_of
from analysis_store.provenance.code.patch import patch_of

WHO = (
    "-c",
    "user.name=x",
    "-c",
    "user.email=x@example.org",
    "-c",
    "protocol.file.allow=always",
    "-c",
    "init.defaultBranch=main",
)


def git(folder: Path, *arguments: str) -> str:
    """Run git for real."""
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def look(file: Path) -> Checkout:
    """Return the checkout of a file, which there must be."""
    found = checkout_of(str(file.resolve()))
    if found is None:
        pytest.fail(f"no checkout of {file}")
    return found


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a package and a script, all committed, looked at anew on every call."""
    monkeypatch.setattr(checkout_module, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(checkout_module, "ASK_AGAIN", 0.0)
    root = tmp_path.resolve() / "my code"
    (root / "pkg" / "sub").mkdir(parents=True)
    for name in ("pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/fit.py", "script.py", "notes.txt"):
        (root / name).write_text(f"# {name}\n")
    (root / ".gitignore").write_text("scratch/\n")
    git(root, "init")
    git(root, "remote", "add", "upstream", "https://example.org/upstream.git")
    git(root, "remote", "add", "origin", "https://me:s3cret@example.org/group/code.git")
    git(root, "add", ".")
    git(root, "commit", "-m", "first")
    return root


@pytest.fixture
def fit(repo: Path) -> Path:
    """A module of the package."""
    return repo / "pkg" / "sub" / "fit.py"


def test_a_clean_checkout_tells_commit_and_address(repo: Path, fit: Path) -> None:
    """The address is that of origin, without user and password."""
    found = look(fit)
    assert found == Checkout(str(repo), git(repo, "rev-parse", "HEAD"), "https://example.org/group/code.git")
    assert found.name == "code"
    assert found.uncommitted == ()
    assert patch_of(found) == ""


def test_any_tracked_change_makes_it_dirty(repo: Path, fit: Path) -> None:
    """Staged or not, wherever in the checkout; what is deleted counts."""
    (repo / "notes.txt").write_text("changed\n")
    assert look(fit).changed == ("notes.txt",)
    git(repo, "add", "notes.txt")
    git(repo, "rm", "script.py")
    assert look(fit).changed == ("notes.txt", "script.py")


def test_untracked_files_count_in_the_package_of_the_code_only(repo: Path, fit: Path) -> None:
    """Not data that lie about, not bytecode, not what is ignored; for a script only the script itself."""
    for name in ("pkg/new.py", "pkg/sub/__pycache__/x.pyc", "elsewhere.py", "pkg/scratch/y.py"):
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_text("x = 1\n")
    assert look(fit).untracked == ("pkg/new.py",)
    assert look(repo / "script.py").untracked == ()
    assert look(repo / "elsewhere.py").untracked == ("elsewhere.py",)


def test_the_patch_gives_the_code_back(repo: Path, fit: Path, tmp_path: Path) -> None:
    """Applied to a clone of the commit it makes every file what it was, binary, Latin-1, staged and new ones too."""
    git(repo, "config", "diff.noprefix", "true")
    git(repo, "config", "color.ui", "always")
    files = {
        "pkg/sub/fit.py": "# fit\nπ = 3\n".encode(),
        "notes.txt": b"no newline at the end",
        "pkg/table.bin": bytes(range(256)) * 4,
        "pkg/n\xe4me \xfc.py": b"",
        "pkg/windows.py": b"a = 1\r\nb = 2\r\n",
    }
    for latin in (b"", b"# caf\xe9\n"):
        for name, content in files.items():
            (repo / name).write_bytes(content + (latin if name.endswith("fit.py") else b""))
        git(repo, "add", "notes.txt")
        found = look(fit)
        clone = tmp_path / f"clone {len(latin)}"
        git(tmp_path, "clone", "-q", str(repo), str(clone))
        git(clone, "checkout", "-q", found.commit)
        subprocess.run(["git", "apply"], cwd=clone, input=patch_of(found).encode(), check=True)
        for name in files:
            assert (clone / name).read_bytes() == (repo / name).read_bytes()


def test_the_patch_is_made_again_only_when_something_changed(fit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every save of uncommitted code would cost a diff."""
    fit.write_text("one\n")
    first = patch_of(look(fit))
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "")
        checkout = Checkout(**{name: getattr(look_from_cache(fit), name) for name in Checkout.__dataclass_fields__})
        assert patch_of(checkout) is first
    fit.write_text("other\n")
    assert "+other" in patch_of(look(fit))


def look_from_cache(file: Path) -> Checkout:
    """Return what the last look found."""
    found = checkout_module._looks[str(file)].found
    if found is None:
        pytest.fail("nothing was found")
    return found


def test_what_is_too_large_to_keep_is_said(repo: Path, fit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what makes it large, and what to do."""
    monkeypatch.setattr(patch_module, "MAX_PATCH", 1000)
    (repo / "pkg" / "data.bin").write_bytes(os.urandom(2000))
    with pytest.raises(
        ProvenanceError, match=r"\(pkg/data.bin\) make a patch of .* commit them, or list data files in .gitig"
    ):
        patch_of(look(fit))
    (repo / "pkg" / "data.bin").unlink()
    fit.write_text("x" * 2000)
    with pytest.raises(ProvenanceError, match=r"\(pkg/sub/fit.py\) make a patch"):
        patch_of(look(fit))


def test_a_new_commit_is_seen_at_once(repo: Path, fit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time in which other changes need not be: git's own records change with it."""
    monkeypatch.setattr(checkout_module, "LOOK_EVERY", 1000.0)
    first = look(fit).commit
    git(repo, "commit", "--allow-empty", "-m", "second")
    assert look(fit).commit == git(repo, "rev-parse", "HEAD") != first
    fit.write_text("changed\n")
    assert look(fit).changed == ("pkg/sub/fit.py",)


def test_other_changes_are_seen_when_it_is_time_to_look(repo: Path, fit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then git is not asked."""
    look(fit)
    monkeypatch.setattr(checkout_module, "LOOK_EVERY", 1000.0)
    look(fit)
    (repo / "notes.txt").write_text("changed\n")
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        assert look(fit).changed == ()
    monkeypatch.setattr(checkout_module, "LOOK_EVERY", 0.0)
    checkout_module._looks.clear()
    assert look(fit).changed == ("notes.txt",)


# --------------------------------------------------------------------------------------------------- strange states


def test_where_there_is_no_repository(tmp_path: Path) -> None:
    """And where a folder only looks like one."""
    (tmp_path / "x.py").touch()
    assert checkout_of(str(tmp_path.resolve() / "x.py")) is None
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / ".git").mkdir()
    (tmp_path / "y" / "x.py").touch()
    assert checkout_of(str(tmp_path.resolve() / "y" / "x.py")) is None


def test_a_repository_without_a_commit_is_none_yet(tmp_path: Path) -> None:
    """There is nothing to name."""
    git(tmp_path, "init")
    (tmp_path / "x.py").touch()
    git(tmp_path, "add", "x.py")
    assert checkout_of(str(tmp_path.resolve() / "x.py")) is None


def test_an_ignored_file_is_not_of_the_checkout(repo: Path) -> None:
    """A virtual environment inside, a scratch folder: the commit says nothing of them."""
    (repo / "scratch").mkdir()
    (repo / "scratch" / "try.py").touch()
    assert checkout_of(str(repo / "scratch" / "try.py")) is None


def test_a_detached_head(repo: Path, fit: Path) -> None:
    """The commit is what counts, not the branch."""
    git(repo, "checkout", "--detach", "-q")
    assert look(fit).commit == git(repo, "rev-parse", "HEAD")


def test_a_worktree(repo: Path) -> None:
    """Its records lie elsewhere; its address is that of the repository."""
    tree = repo.parent / "tree"
    git(repo, "worktree", "add", "-q", str(tree))
    found = look(tree / "script.py")
    assert (found.root, found.url) == (str(tree), "https://example.org/group/code.git")
    git(tree, "commit", "--allow-empty", "-m", "second")
    assert look(tree / "script.py").commit == git(tree, "rev-parse", "HEAD")


def test_a_submodule_is_a_checkout_of_its_own(repo: Path, tmp_path: Path) -> None:
    """And a change in it makes the outer one dirty."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "tool.py").write_text("tool\n")
    git(inner, "init")
    git(inner, "add", ".")
    git(inner, "commit", "-m", "inner")
    git(repo, "submodule", "add", "-q", str(inner), "ext")
    git(repo, "commit", "-m", "with submodule")
    assert look(repo / "ext" / "tool.py").root == str(repo / "ext")
    assert look(repo / "script.py").changed == ()
    (repo / "ext" / "tool.py").write_text("changed\n")
    assert look(repo / "script.py").changed == ("ext",)


def test_a_merge_with_conflicts(repo: Path, fit: Path) -> None:
    """It is dirty, and its patch can be made."""
    git(repo, "checkout", "-q", "-b", "other")
    fit.write_text("theirs\n")
    git(repo, "commit", "-qam", "theirs")
    git(repo, "checkout", "-q", "-")
    fit.write_text("ours\n")
    git(repo, "commit", "-qam", "ours")
    subprocess.run(["git", *WHO, "merge", "other"], cwd=repo, capture_output=True, check=False)
    found = look(fit)
    assert found.changed == ("pkg/sub/fit.py",)
    assert "<<<<<<<" in patch_of(found)


def test_a_package_that_is_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder above is not asked for, be it a package too."""
    monkeypatch.setattr(checkout_module, "LOOK_EVERY", 0.0)
    root = tmp_path.resolve() / "pkg"
    root.mkdir()
    (tmp_path / "__init__.py").touch()
    (root / "__init__.py").touch()
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "first")
    (root / "new.py").touch()
    assert look(root / "__init__.py").untracked == ("new.py",)


@pytest.mark.parametrize(
    ("address", "shown", "name"),
    [
        ("git@github.com:bluesky/tiled.git", "git@github.com:bluesky/tiled.git", "tiled"),
        ("ssh://git:pw@host:22/a/b.git", "ssh://git@host:22/a/b.git", "b"),
        ("https://oauth2:t0ken@gitlab.org/a/b?private_token=t0ken", "https://gitlab.org/a/b", "b"),
        ("https://t0ken@host/a/b/", "https://host/a/b/", "b"),
        ("https://me:p@ss@host/b", "https://host/b", "b"),
    ],
)
def test_no_credential_is_told(repo: Path, fit: Path, address: str, shown: str, name: str) -> None:
    """Documents are read by many."""
    git(repo, "remote", "set-url", "origin", address)
    found = look(fit)
    assert (found.url, found.name) == (shown, name)


def test_without_a_remote_the_address_is_the_folder(repo: Path, fit: Path) -> None:
    """On this machine, which it names: that is where the commit can be had."""
    git(repo, "remote", "remove", "origin")
    assert look(fit).url == "https://example.org/upstream.git"
    git(repo, "remote", "remove", "upstream")
    checkout_module._looks.clear()
    found = look(fit)
    assert found.url.startswith("file://")
    assert found.url.endswith("/my%20code")
    assert os.uname().nodename in found.url
    git(repo, "remote", "add", "origin", "../my code")
    checkout_module._looks.clear()
    assert look(fit).url == found.url


# -------------------------------------------------------------------------------------------- git that does not tell


def test_git_that_is_missing(fit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said that it is missing."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProvenanceError, match="git is not installed, or not on the PATH"):
        look(fit)


def test_git_that_refuses_tells_why(fit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own words, which name the remedy."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(ProvenanceError, match=r"git failed: .*dubious ownership.*safe\.directory"):
        look(fit)


def test_git_that_does_not_answer_is_not_waited_for(fit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not asked again at every save."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(git_module, "TIMEOUT", 0.2)
    monkeypatch.setattr(checkout_module, "ASK_AGAIN", 60.0)
    with pytest.raises(ProvenanceError, match=r"git did not answer within 0\.2 s about "):
        look(fit)
    (folder / "git").unlink()
    with pytest.raises(ProvenanceError, match="git did not answer"):
        look(fit)


def test_another_repository_in_the_environment_is_not_believed(
    repo: Path, fit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook of git runs with the repository of the hook in its environment."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    fit.write_text("changed\n")
    assert look(fit).root == str(repo)
    assert "+changed" in patch_of(look(fit))


def test_a_lock_of_somebody_else_is_not_minded(repo: Path, fit: Path) -> None:
    """A commit that is being made does not stop a save, nor does a save leave a lock."""
    (repo / ".git" / "index.lock").touch()
    fit.write_text("changed\n")
    assert look(fit).changed == ("pkg/sub/fit.py",)
    (repo / ".git" / "index.lock").unlink()
    before = (repo / ".git" / "index").stat().st_mtime_ns
    look(fit)
    assert (repo / ".git" / "index").stat().st_mtime_ns == before
