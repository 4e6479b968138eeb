"""Jobs wait for a disk that takes nothing, and go on when it takes something again."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import JobState
from tests.server.working import shop


@contextmanager
def full() -> Iterator[None]:
    """No file of this process may grow beyond a few bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_job_that_cannot_begin_waits_and_one_that_ends_is_not_lost(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            ending = await it.submit({"do": [["stubborn", 0.4]]})
            await it.running(ending, node="stubborn")
            waiting = await it.submit({})
            with full():
                with pytest.raises(Refusal) as refused:
                    await it.submit({})
                assert refused.value.status == 507
                assert str(tmp_path) not in f"{refused.value} {refused.value.body}"
                await asyncio.sleep(0.6)
                assert (await it.jobs.info(ending)).state is JobState.RUNNING
                assert (await it.jobs.info(waiting)).state is JobState.QUEUED
                assert (await it.jobs.info(waiting)).position == 0
            for job in (ending, waiting):
                info = await it.done(job)
                assert (info.state, len(info.attempts)) == (JobState.SUCCEEDED, 1)

    asyncio.run(story())


def test_a_stop_does_not_wait_for_a_full_disk(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            job = await it.submit({"do": [["steps", 1000]]})
            await it.running(job, node="sampler")
            with full():
                async with asyncio.timeout(10):
                    await it.jobs.stop()
        async with shop(tmp_path) as it:
            await it.jobs.cancel(job)
            info = await it.done(job)
            assert info.attempts[0].ending == "worker_lost"

    asyncio.run(story())
