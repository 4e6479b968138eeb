"""A running server for the tests of its client."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from tests.cli.conftest import PACK
from tests.cli.liveserver import LiveServer, live_server


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(PACK, folder / "packs" / "shelltest", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def far_port() -> int:
    """A port under which the server is known, too, so that something may stand between it and a client."""
    return unused_port()


@pytest.fixture(scope="session")
def server(home: Path, far_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with live_server(home, log, "--name", f"127.0.0.1:{far_port}") as running:
        yield running


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The client finds the token of the server's home, and no other."""
    if "home" in request.fixturenames:
        monkeypatch.setenv("NODEFLOW_HOME", str(request.getfixturevalue("home")))
