"""What all tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from analysis_store import AnalysisStore, Policy, Provenance

if TYPE_CHECKING:
    from tests.redis_server import RedisServer

REAL_DATA = "ANALYSIS_STORE_REAL_DATA"

# What has passed passes again: the same examples every time, few in `make test`, many ("thorough") in `make test-slow`.
# Others: PYTEST_ARGS=--hypothesis-profile=default. None asks the clock: a busy machine is no fault.
for _name, _examples in {"repeatable": 25, "thorough": 100, "default": 100}.items():
    settings.register_profile(
        _name,
        derandomize=_name != "default",
        max_examples=_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("repeatable")

# A job in the background is born deaf to Ctrl-C, and so would be what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_bytecode() -> None:
    """Let Python keep none of what tests write: a module that is written twice in a second would be the first one."""
    sys.dont_write_bytecode = True


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of measured data; beside the checkout unless the environment says otherwise."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get(REAL_DATA, beside))
    if not folder.is_dir():
        pytest.skip(f"no measured data at {folder}; set {REAL_DATA} to a folder that has them")
    return folder


@pytest.fixture
def origin() -> Provenance:
    """Provenance of data that have no input."""
    return Provenance(origin="synthetic", note="made by a test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnalysisStore]:
    """An embedded store in a fresh folder."""
    with AnalysisStore(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[AnalysisStore]:
    """A store for other people's documents: its policy demands nothing."""
    with AnalysisStore(tmp_path / "open", policy=Policy(require_inputs=False, require_code=False)) as opened:
        yield opened


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server; each test records under names of its own."""
    pytest.importorskip("redis", reason="redis is not installed: pip install 'analysis_store[redis]'")
    from tests.redis_server import RedisServer

    server = RedisServer()
    yield server
    server.close()
