"""What grows with jobs that have come and gone; ``tests/stress/soak.py`` is the long form."""

import asyncio

import pytest

from tests.serving.soaking import KEPT_JOBS, Soaked, soak

MIB = 2**20


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Soaked:
    return asyncio.run(soak(tmp_path_factory.mktemp("soak"), jobs=175, warm=75))


def test_every_job_ends_as_it_should(found: Soaked) -> None:
    assert found.wrong == []


def test_jobs_go_by_retention(found: Soaked) -> None:
    assert found.stored <= KEPT_JOBS


@pytest.mark.parametrize("process", ["server", "worker"])
def test_neither_process_holds_more_files_or_threads(found: Soaked, process: str) -> None:
    """One thread more may be started by asyncio's pool, which has a bound of its own."""
    assert found.growth(f"{process}_files") <= 2
    assert found.growth(f"{process}_threads") <= 1
    assert found.growth("processes") == 0


@pytest.mark.parametrize("process", ["server", "worker"])
def test_memory_hardly_grows(found: Soaked, process: str) -> None:
    """A hundred jobs, each kept with document, report and events, would hold several times that."""
    assert found.growth(f"{process}_rss") < 3 * MIB


def test_files_go_by_retention(found: Soaked) -> None:
    assert found.looks[-1].disk_files < 175
    assert found.growth("disk") < MIB
