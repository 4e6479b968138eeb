"""A server that is killed under load keeps what it acknowledged; ``tests/stress/kill_loop.py`` is the long form."""

import asyncio
from pathlib import Path

import pytest

from tests.serving.killing import Figures, kill_loop

WAYS = ("server", "workers, then server", "while it starts", "server and workers", "asked to stop")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    folder: Path = tmp_path_factory.mktemp("kill")
    return asyncio.run(kill_loop(folder, WAYS, seed=7, longest=1.5))


def test_every_promise_is_kept(figures: Figures) -> None:
    assert figures.compared is not None
    assert figures.compared.broken == []


def test_kills_hit_jobs_that_ran(figures: Figures) -> None:
    assert figures.compared is not None
    assert figures.compared.lost_attempts > 0
    assert figures.compared.states["succeeded"] > 0
    assert figures.lost > 0


def test_the_database_is_sound_after_each_kill_and_the_log_tells_of_no_fault(figures: Figures) -> None:
    assert figures.faults == []


def test_workers_do_not_outlive_their_server(figures: Figures) -> None:
    assert max(figures.workers_gone) < 10


def test_who_is_asked_to_stop_does(figures: Figures) -> None:
    assert len(figures.stops) == 1
    assert figures.exit_code == 0
