"""Jobs from their submission to their one end, by stand-ins for workers."""

import asyncio
import signal
from pathlib import Path

import pytest

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import JobChange, JobState
from nodeflow.protocol.work import Explain
from nodeflow.server.settings import Limits, ServerSettings
from tests.server.working import new_job, shop


def test_a_job_runs_and_is_told_step_by_step(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            job = await it.submit({"do": [["steps", 3]], "files": ["a.txt"]})
            info = await it.done(job)
            assert info.state is JobState.SUCCEEDED
            assert [attempt.ending for attempt in info.attempts] == ["succeeded"]
            assert info.attempts[0].worker == "cpu"
            (output,) = info.outputs["save"]
            assert (output.file, output.node, output.partial) == ("a.txt", "save", False)
            assert (tmp_path / "output" / "a.txt").read_text() == job
            told = await it.events(job)
            assert [event.seq for event in told] == list(range(1, len(told) + 1))
            assert [event.kind for event in told][:3] == ["queued", "attempt", "node.started"]
            assert told[-1].kind == "finished"
            assert told[-1].data == {"state": "succeeded"}

    asyncio.run(story())


def test_a_job_that_waits_knows_how_many_are_in_front_of_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            first = await it.submit({"do": [["sleep", 60]]})
            await it.running(first)
            second, third = await it.submit({}), await it.submit({})
            assert (await it.jobs.info(third)).position == 1
            await it.jobs.change(third, JobChange(before=second))
            assert (await it.jobs.info(third)).position == 0
            await it.jobs.change(second, JobChange(priority=5))
            assert [job.position for job in (await it.jobs.page()).jobs] == [1, 0, None]
            with pytest.raises(Refusal, match="no longer queued"):
                await it.jobs.change(first, JobChange(priority=1))
            await it.jobs.cancel(first)
            assert (await it.done(third)).state is JobState.SUCCEEDED
            assert (await it.done(first)).state is JobState.CANCELLED
            assert (await it.done(second)).attempts[0].started <= (await it.done(third)).attempts[0].started

    asyncio.run(story())


def test_jobs_run_in_the_order_they_were_dragged_into_however_often(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            await it.jobs.pause()
            first, second, third = [await it.submit({}) for _ in range(3)]
            for _ in range(40):  # more often than there are ranks between two
                await it.jobs.change(third, JobChange(before=second))
                await it.jobs.change(second, JobChange(before=third))
            await it.jobs.change(first, JobChange(before="", priority=0))
            assert [(await it.jobs.info(job)).position for job in (second, third, first)] == [0, 1, 2]
            await it.jobs.resume()
            began = [(await it.done(job)).started for job in (second, third, first)]
            assert began == sorted(began)

    asyncio.run(story())


def test_cancelling_stops_one_job_and_no_other(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, ("cpu", "cpu")) as it:
            await it.ready()
            first, second = await it.submit({"do": [["steps", 500]]}), await it.submit({"do": [["steps", 60]]})
            third = await it.submit({})
            await it.running(first, node="sampler")
            await it.running(second, node="sampler")
            assert (await it.jobs.cancel(third)).state is JobState.CANCELLED
            await it.jobs.cancel(first)
            assert (await it.done(first)).state is JobState.CANCELLED
            assert (await it.done(second)).state is JobState.SUCCEEDED
            assert (await it.jobs.info(third)).attempts == ()
            for job in (first, second, third):
                with pytest.raises(Refusal, match="has ended already"):
                    await it.jobs.cancel(job)
            kinds = [event.kind for event in await it.events(first)]
            assert "cancelling" in kinds
            assert kinds[-1] == "finished"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (["exit", 7], "it ended with exit code 7"),
        (["signal", signal.SIGKILL], "it was ended by the signal SIGKILL"),
        (["segfault", 0], "it was ended by the signal SIGSEGV"),
        (["silence", 0], "it was silent for 0.5 s"),
        (["babble", 0], "it said something that is no message"),
    ],
)
def test_a_job_that_loses_its_worker_twice_has_failed(tmp_path: Path, deed: list[object], reason: str) -> None:
    async def story() -> None:
        async with shop(tmp_path, settings=ServerSettings(heartbeat_seconds=0.5)) as it:
            job = await it.submit({"do": [deed]})
            info = await it.done(job)
            assert info.state is JobState.FAILED
            assert info.error is not None
            assert info.error.code == "worker_lost"
            assert reason in info.error.message
            assert [attempt.ending for attempt in info.attempts] == ["worker_lost", "worker_lost"]
            assert reason in info.attempts[0].reason
            assert (await it.done(await it.submit({}))).state is JobState.SUCCEEDED
            assert next(iter(it.workers)).info.restarts == 2

    asyncio.run(story())


def test_a_job_whose_worker_was_killed_ends_elsewhere_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, ("cpu",) * 4) as it:
            await it.ready()
            mark = tmp_path / "mark"
            others = [await it.submit({"do": [["steps", 20]]}) for _ in range(2)]
            job = await it.submit({"do": [["once", str(mark)]], "files": ["once.txt"]})
            info = await it.done(job)
            assert [attempt.ending for attempt in info.attempts] == ["worker_lost", "succeeded"]
            assert info.attempts[0].worker != info.attempts[1].worker
            assert len(info.outputs["save"]) == 1
            assert [event.kind for event in await it.events(job)].count("finished") == 1
            for other in others:
                assert len((await it.done(other)).attempts) == 1

    asyncio.run(story())


def test_a_job_beyond_its_deadline_has_failed_and_is_not_tried_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            obedient = await it.done(await it.submit({"do": [["steps", 1000]]}, deadline=0.2))
            stubborn = await it.done(await it.submit({"do": [["stubborn", 60]]}, deadline=0.2))
            for info in (obedient, stubborn):
                assert info.state is JobState.FAILED
                assert info.error is not None
                assert info.error.code == "deadline"
                assert [attempt.ending for attempt in info.attempts] == ["deadline"]
            assert next(iter(it.workers)).info.restarts == 1  # who stops when asked keeps its worker

    asyncio.run(story())


def test_cancelling_a_job_whose_worker_dies_cancels_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, settings=ServerSettings(heartbeat_seconds=0.5)) as it:
            job = await it.submit({"do": [["silence", 0]]})
            await it.running(job)
            await it.jobs.cancel(job)
            info = await it.done(job)
            assert info.state is JobState.CANCELLED
            assert len(info.attempts) == 1

    asyncio.run(story())


def test_a_stop_puts_what_runs_back_and_the_next_server_runs_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            running = await it.submit({"do": [["steps", 100]]})
            waiting = await it.submit({})
            await it.running(running, node="sampler")
        async with shop(tmp_path) as it:
            info = await it.done(running)
            assert [attempt.ending for attempt in info.attempts] == ["interrupted", "succeeded"]
            assert (await it.done(waiting)).state is JobState.SUCCEEDED

    asyncio.run(story())


def test_a_server_that_stops_at_once_leaves_no_worker(tmp_path: Path) -> None:
    async def story() -> None:
        for pause in (0.0, 0.01, 0.1):
            async with shop(tmp_path, ("cpu", "cpu")) as it:
                await asyncio.sleep(pause)
            assert [worker.info.pid for worker in it.workers] == [None, None]

    asyncio.run(story())


def test_a_worker_that_does_not_stop_is_ended_and_its_job_is_not_lost(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, settings=ServerSettings(stop_seconds=0.3)) as it:
            job = await it.submit({"do": [["stubborn", 1.0]]})
            await it.running(job, node="stubborn")
        async with shop(tmp_path) as it:
            assert [attempt.ending for attempt in (await it.done(job)).attempts] == ["interrupted", "succeeded"]

    asyncio.run(story())


def test_no_job_begins_while_the_queue_is_paused_also_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            await it.jobs.pause()
            job = await it.submit({})
            await it.ready()
            assert (await it.jobs.wait(job, 0.05)).state is JobState.QUEUED
        async with shop(tmp_path) as it:
            await it.ready()
            assert (await it.jobs.wait(job, 0.05)).state is JobState.QUEUED
            queue = await it.jobs.queue()
            assert (queue.paused, queue.queued, queue.running) == (True, 1, 0)
            await it.jobs.resume()
            assert (await it.done(job)).state is JobState.SUCCEEDED

    asyncio.run(story())


def test_a_full_queue_and_a_key_with_another_body_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, settings=ServerSettings(start_paused=True, limits=Limits(queue=2))) as it:
            job = await it.submit({}, key="k", body_digest="a")
            assert (await it.jobs.submit(new_job({}, key="k", body_digest="a"))).id == job
            assert (await it.jobs.queue()).queued == 1
            with pytest.raises(Refusal) as reused:
                await it.submit({}, key="k", body_digest="b")
            assert (reused.value.status, reused.value.body.detail["id"]) == (409, job)
            await it.submit({})
            with pytest.raises(Refusal) as full:
                await it.submit({})
            assert full.value.status == 429

    asyncio.run(story())


def test_clients_are_told_of_their_own_jobs_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, settings=ServerSettings(start_paused=True)) as it:
            job = await it.submit({}, "ann")
            for call in (it.jobs.info, it.jobs.cancel, it.jobs.retry, it.jobs.remove):
                with pytest.raises(Refusal, match=f"there is no job {job}"):
                    await call(job, "bob")
            with pytest.raises(Refusal, match="there is no job"):
                await it.jobs.change(job, JobChange(priority=1), "bob")
            with pytest.raises(Refusal, match="there is no job"):
                await it.jobs.wait(job, 1, "bob")
            assert (await it.jobs.page(client="bob")).jobs == ()
            assert await it.jobs.clear("bob") == 0
            assert await it.jobs.clear("ann") == 1
            assert (await it.done(job)).state is JobState.CANCELLED

    asyncio.run(story())


def test_a_job_that_has_ended_can_be_tried_again_and_forgotten(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            job = await it.submit({"do": [["steps", 30]]}, deadline=0.1)
            with pytest.raises(Refusal, match="is queued"):
                await it.jobs.retry(job)
            with pytest.raises(Refusal, match="is queued"):
                await it.jobs.remove(job)
            await it.done(job)
            again = (await it.jobs.retry(job)).id
            assert again != job
            assert (await it.done(again)).state is JobState.FAILED
            await it.jobs.remove(job)
            with pytest.raises(Refusal, match="there is no job"):
                await it.jobs.info(job)

    asyncio.run(story())


def test_a_job_goes_to_the_worker_that_holds_its_model(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, ("cpu",) * 3) as it:
            await it.ready()
            models = [f"checkpoints/{name}.safetensors" for name in "abc"]
            first = [await it.submit({"do": [["sleep", 0.2]], "models": [model]}, models=(model,)) for model in models]
            homes = {model: (await it.done(job)).attempts[0].worker for model, job in zip(models, first, strict=True)}
            assert len(set(homes.values())) == 3
            for model in reversed(models):
                info = await it.done(await it.submit({"models": [model]}, models=(model,)))
                assert info.attempts[0].worker == homes[model]

    asyncio.run(story())


def test_a_client_with_many_jobs_delays_one_with_a_single_job_by_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path, settings=ServerSettings(start_paused=True)) as it:
            many = [await it.submit({"do": [["sleep", 0.001]]}, "many") for _ in range(40)]
            one = await it.submit({}, "one")
            assert (await it.jobs.info(one)).position == 1
            await it.jobs.resume()
            started = (await it.done(one)).attempts[0].started
            for job in many:
                await it.done(job)
            begun = [(await it.jobs.info(job)).attempts[0].started for job in many]
            assert sum(moment < started for moment in begun) <= 1

    asyncio.run(story())


def test_what_a_worker_prints_is_in_the_log_without_secrets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "KEY").write_text("hunter2-hunter2")
    (secrets / "KEY").chmod(0o600)

    async def story() -> None:
        async with shop(tmp_path) as it:
            job = await it.submit({"do": [["print", "the key is hunter2-hunter2"], ["sleep", 0.05]]})
            await it.done(job)

            async def logged() -> bool:
                return any("the key is ***" in record.getMessage() for record in caplog.records)

            await it.until(logged)
            assert "hunter2" not in caplog.text

    with caplog.at_level("INFO"):
        asyncio.run(story())


def test_previews_come_when_they_were_asked_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            with_previews = it.hub.subscribe(None, everything=True)
            job = await it.submit({"do": [["steps", 2]]}, previews=True)
            await it.done(job)
            news = [each async for each in _taken(with_previews)]
            assert any(getattr(each, "body", None) == b"\xff\xd8" for each in news)
            with_previews.close()

    async def _taken(subscription):  # type: ignore[no-untyped-def]
        for each in await subscription.take(1.0):
            yield each

    asyncio.run(story())


def test_a_worker_that_talks_nonsense_is_replaced_and_its_job_has_failed(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            job, other = await it.submit({"do": [["nonsense", 500], ["sleep", 5]]}), await it.submit({})
            info = await it.done(job)
            assert info.error is not None
            assert info.error.code == "server.error"
            assert (await it.done(other)).state is JobState.SUCCEEDED

    asyncio.run(story())


def test_who_asks_a_worker_that_does_not_answer_is_told_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            await it.ready()
            with pytest.raises(Refusal, match=r"did not answer within 0\.05 s"):
                await it.workers.ask(Explain(ask="", output_dir="/"), b"never", patience=0.05)

    asyncio.run(story())


def test_questions_are_answered_while_a_job_runs(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as it:
            with pytest.raises(Refusal, match="no worker is ready"):
                await it.jobs.questions.explain(b"{}", {}, client="local")
            job = await it.submit({"do": [["sleep", 60]]})
            await it.running(job)
            answer = await it.jobs.questions.explain(b"{}", {}, client="local")
            assert isinstance(answer, dict)
            assert answer["asked"] == "explain"
            await it.jobs.questions.prewarm(b"{}")
            await it.jobs.cancel(job)

    asyncio.run(story())
