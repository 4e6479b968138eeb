"""A hundred random cancellations; ``tests/stress/cancels.py`` is the long form."""

import asyncio

import pytest

from tests.serving.cancelling import Cancelled, cancel_many


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Cancelled:
    return asyncio.run(cancel_many(tmp_path_factory.mktemp("cancel"), 100, seed=3))


def test_each_job_ends_once_and_what_was_left_alone_succeeds(found: Cancelled) -> None:
    assert found.compared is not None
    assert [*found.compared.broken, *found.wrong] == []
    assert found.compared.states.total() == 200


def test_cancellations_hit_jobs_that_wait_that_run_and_that_have_ended(found: Cancelled) -> None:
    assert found.answers["cancelled"] > 5
    assert found.answers["running"] > 5
    assert found.answers["job.final"] > 0


def test_no_worker_is_lost_by_it(found: Cancelled) -> None:
    assert found.restarts == 0


def test_a_job_that_runs_ends_within_a_step(found: Cancelled) -> None:
    """A step is a hundredth of a second; the rest is what a busy machine may take."""
    assert max(found.seconds) < 5
