"""Which workers there are, and what becomes of their processes."""

import asyncio
from pathlib import Path

import pytest

from nodeflow.core.errors import UsageError
from nodeflow.server.devices import devices_of
from nodeflow.server.workers import WorkerOptions
from tests.server.working import shop


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("auto", ("auto",)),
        ("cpu", ("cpu",)),
        ("cpu*2,cuda:0", ("cpu", "cpu", "cuda:0")),
        ("cpu:2", ("cpu", "cpu")),
        (" cuda:0 , cuda:1*2,", ("cuda:0", "cuda:1", "cuda:1")),
    ],
)
def test_workers_are_named_by_their_devices(text: str, devices: tuple[str, ...]) -> None:
    assert devices_of(text, gpu=True) == devices


def test_without_a_driver_there_can_only_be_the_cpu() -> None:
    assert devices_of("auto,cuda:0", gpu=False) == ("cpu", "cuda:0")
    assert devices_of("auto") in (("auto",), ("cpu",))


def test_where_a_worker_finds_several_gpus_each_gets_a_worker(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, ("auto",)) as it:

            async def all_there() -> bool:
                return len(it.workers.infos) == 3 and all(worker.free for worker in it.workers)

            await it.until(all_there)
            assert sorted(info.device for info in it.workers.infos) == ["cuda:0", "cuda:1", "cuda:2"]
            jobs = [await it.submit({"do": [["sleep", 0.2]]}) for _ in range(3)]
            used = [(await it.done(job)).attempts[0].worker for job in jobs]
            assert sorted(used) == ["auto", "cuda-1", "cuda-2"]

    asyncio.run(story())


@pytest.mark.parametrize("text", ["", "tpu", "cpu*0", "cpu*-1", "cuda:x", "cpu*1000", "cpu*200,cpu*200"])
def test_workers_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="workers"):
        devices_of(text)


def test_workers_have_names_of_their_own(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, ("cpu", "cpu", "cuda:0")) as it:
            assert [worker.name for worker in it.workers] == ["cpu", "cpu-2", "cuda-0"]
            await it.ready()
            assert [(info.device, info.state) for info in it.workers.infos] == [
                ("cpu", "idle"),
                ("cpu", "idle"),
                ("cuda:0", "idle"),
            ]

    asyncio.run(story())


def test_a_program_that_cannot_be_started_leaves_a_server_that_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with shop(tmp_path, program=("/no/such/program",)) as it:

            async def tried() -> bool:
                return next(iter(it.workers)).info.restarts > 1

            await it.until(tried)
            assert not it.workers.ready
            assert "no process could be started for it" in caplog.text
            job = await it.submit({})
            assert (await it.jobs.wait(job, 0.05)).state == "queued"

    asyncio.run(story())


def test_in_development_a_saved_file_of_a_pack_renews_the_workers_when_they_are_idle(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "mine"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("from nodeflow.api import Pack\npack = Pack('mine', '1.0')\n")

    async def story() -> None:
        async with shop(tmp_path, options=WorkerOptions(cold=True, dev=True)) as it:
            await it.ready()
            worker = next(iter(it.workers))
            pid = worker.info.pid
            job = await it.submit({"do": [["sleep", 1.0]]})
            await it.running(job)
            await asyncio.sleep(0.3)  # until the folder is watched
            (pack / "__init__.py").write_text("from nodeflow.api import Pack\npack = Pack('mine', '1.1')\n")
            assert len((await it.done(job)).attempts) == 1

            async def renewed() -> bool:
                return worker.ready and worker.info.pid != pid

            await it.until(renewed)
            assert worker.info.restarts == 0
            assert (await it.done(await it.submit({}))).state == "succeeded"

    asyncio.run(story())


def test_a_document_to_be_warm_for_is_computed_by_every_process_that_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with shop(tmp_path, ("cpu", "cpu")) as it:
            await it.jobs.questions.prewarm(b"{}")  # before anybody is ready

            async def warm(times: int) -> bool:
                return caplog.text.count("is warm") == times

            await it.until(lambda: warm(2))
            await it.done(await it.submit({"do": [["exit", 1]]}))
            await it.until(lambda: warm(4))

    with caplog.at_level("INFO"):
        asyncio.run(story())
