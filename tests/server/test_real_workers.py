"""Jobs with real workers behind them: pictures, crashes of nodes, memory, tokens."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nodeflow.protocol.jobs import JobState
from nodeflow.server.settings import ServerSettings
from nodeflow.server.workers import PROGRAM
from tests.server.working import shop

ROOT = Path(__file__).parents[2]
PACK = ROOT / "tests" / "worker" / "pack" / "trouble"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with nodes that end workers."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(PACK, folder / "packs" / "trouble", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def node(type: str, **inputs: Any) -> dict[str, Any]:
    return {"nodeflow": 1, "nodes": {"it": {"type": type, "version": 1, "inputs": inputs}}}


def picture(seed: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "workflows" / "txt2img.json").read_text())
    document["nodes"]["sample"]["inputs"] |= {"steps": 2, "seed": seed}
    document["nodes"]["empty"]["inputs"] |= {"width": 64, "height": 64}
    return document


def test_pictures_and_failures_one_after_the_other(home: Path) -> None:
    async def story() -> None:
        async with shop(home, program=PROGRAM) as it:
            made = await it.done(await it.submit(picture(1), "ann"), 60)
            assert made.state is JobState.SUCCEEDED
            (output,) = made.outputs["picture"]
            assert (output.type, output.node, output.media_type) == ("Image", "save", "image/png")
            assert (home / "output" / "ann" / output.file).stat().st_size == output.bytes
            assert made.nodes["sample"].status == "ran"

            again = await it.done(await it.submit(picture(2), "bob"))
            assert again.nodes["base"].status == "hit-memory"
            assert again.cache_hits >= 3
            assert it.workers.infos[0].models == ("checkpoints/emoji-tiny.safetensors",)

            greedy = await it.done(await it.submit(node("trouble.Greedy")))
            assert greedy.error is not None
            assert (greedy.error.code, greedy.error.node) == ("node.memory", "it")
            wrong = await it.done(await it.submit(node("trouble.Length", file="none.safetensors")))
            assert wrong.error is not None
            assert wrong.error.code == "document.missing-file"
            assert [len(info.attempts) for info in (made, greedy, wrong, again)] == [1, 1, 1, 1]
            explained = await it.jobs.questions.explain(json.dumps(picture(2)).encode(), {}, client="bob")
            assert isinstance(explained, dict)

    asyncio.run(story())


def test_nodes_that_crash_fail_their_jobs_and_no_others(home: Path) -> None:
    async def story() -> None:
        settings = ServerSettings(attempts=1)
        async with shop(home, ("cpu", "cpu"), program=PROGRAM, settings=settings) as it:
            await it.ready()
            crashes = {
                "SIGSEGV": await it.submit(node("trouble.Segfault")),
                "exit code 5": await it.submit(node("trouble.Exit", code=5)),
                "SIGKILL": await it.submit(node("trouble.Killed")),
            }
            steady = [await it.submit(node("trouble.Count", steps=20, seconds=0.01, seed=n), "b") for n in range(4)]
            endless = await it.submit(node("trouble.Hang"), deadline=0.3)
            for reason, job in crashes.items():
                info = await it.done(job)
                assert info.error is not None
                assert info.error.code == "worker_lost"
                assert reason in info.error.message
            info = await it.done(endless)
            assert info.error is not None
            assert info.error.code == "deadline"
            for job in steady:
                info = await it.done(job)
                assert (info.state, len(info.attempts)) == (JobState.SUCCEEDED, 1)

    asyncio.run(story())


def test_a_call_whose_worker_was_killed_is_made_again_under_the_same_token(home: Path, tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(home, program=PROGRAM) as it:
            billed = tmp_path / "billed"
            info = await it.done(await it.submit(node("trouble.Token", dies=str(billed))))
            assert [attempt.ending for attempt in info.attempts] == ["worker_lost", "succeeded"]
            first, second = billed.read_text().split()
            assert first == second

    asyncio.run(story())


def test_secrets_that_nodes_print_are_not_in_the_log(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEFLOW_SECRET_KEY", "swordfish-swordfish")

    async def story() -> None:
        async with shop(home, program=PROGRAM) as it:
            assert (await it.done(await it.submit(node("trouble.Tell", key="KEY")))).state is JobState.SUCCEEDED

            async def logged() -> bool:
                return all(f"{what} ***" in caplog.text for what in ("key", "child", "written"))

            await it.until(logged)
            assert "swordfish" not in caplog.text

    with caplog.at_level("INFO"):
        asyncio.run(story())
