"""What is old or too much goes, in small batches, and nothing else does."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobState
from nodeflow.server.retention import DAY, Keeper
from nodeflow.server.settings import Retention, ServerSettings
from nodeflow.storage.database import events, jobs, outputs
from nodeflow.storage.database.store import Store
from nodeflow.storage.home import Home
from tests.server.watching import hub_at

NOW = 1000 * DAY


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.server.retention.BREATH", 0.0)


def keeper(store: Store, home: Path, **kept: object) -> Keeper:
    settings = ServerSettings(retention=Retention.model_validate(kept))
    return Keeper(store, settings, Home(home), clock=lambda: NOW)


async def over(store: Store, days_ago: float, files: Sequence[tuple[str, int]] = (), client: str = "ann") -> str:
    """A job that ended some days ago and wrote files."""
    id, then = new_id(), NOW - days_ago * DAY
    new = jobs.NewJob(id, client, b"{}", then)
    given = [
        jobs.NewOutput(new_id(), "picture", "n", "Image", path=path, media_type="image/png", bytes=size)
        for path, size in files
    ]
    await store.write(lambda c: jobs.add(c, new, limit=10_000))
    await store.write(lambda c: jobs.begin(c, id, "cpu", then))
    await store.write(lambda c: jobs.finish(c, id, 1, jobs.Ending(JobState.SUCCEEDED, outputs=given), then))
    return id


def write(folder: Path, name: str, size: int, days_ago: float) -> Path:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(bytes(size))
    os.utime(place, (NOW - days_ago * DAY,) * 2)
    return place


def test_old_jobs_go_with_their_events_and_queued_ones_never(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            old = [await over(store, 40) for _ in range(3)]
            young = await over(store, 20)
            waiting = jobs.NewJob(new_id(), "ann", b"{}", NOW - 400 * DAY)
            await store.write(lambda c: jobs.add(c, waiting, limit=10))
            await keeper(store, tmp_path, jobs_days=30).sweep()
            left = await store.read(lambda c: jobs.page(c, client=None))
            assert {job.id for job in left.jobs} == {young, waiting.id}
            assert await store.read(lambda c: events.since(c, old[0], 0)) == ()

    asyncio.run(live())


def test_of_too_many_jobs_the_oldest_go(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            made = [await over(store, days) for days in (9, 8, 7, 6, 5)]
            await keeper(store, tmp_path, jobs_count=2).sweep()
            left = await store.read(lambda c: jobs.page(c, client=None))
            assert {job.id for job in left.jobs} == set(made[-2:])

    asyncio.run(live())


def test_outputs_are_kept_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            await over(store, 500, [("a.png", 10)])
            place = write(tmp_path / "output" / "ann", "a.png", 10, 500)
            await keeper(store, tmp_path).sweep()
            assert place.exists()
            assert len(await store.read(lambda c: outputs.page(c, client="ann"))) == 1
            await keeper(store, tmp_path, outputs_days=100).sweep()
            assert not place.exists()
            assert await store.read(lambda c: outputs.page(c, client="ann")) == ()

    asyncio.run(live())


def test_of_too_many_bytes_the_oldest_outputs_go_until_the_rest_fits(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            for number, days in enumerate((5, 4, 3, 2, 1)):
                await over(store, days, [(f"{number}.png", 100)])
                write(tmp_path / "output" / "ann", f"{number}.png", 100, days)
            await keeper(store, tmp_path, outputs_bytes=250).sweep()
            assert sorted(each.name for each in (tmp_path / "output" / "ann").iterdir()) == ["3.png", "4.png"]

    asyncio.run(live())


def test_a_file_that_another_output_names_stays(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            await over(store, 50, [("same.png", 10)])
            await over(store, 1, [("same.png", 10)])
            await over(store, 50, [("same.png", 10)], "bob")
            hers = write(tmp_path / "output" / "ann", "same.png", 10, 50)
            his = write(tmp_path / "output" / "bob", "same.png", 10, 50)
            await keeper(store, tmp_path, outputs_days=10).sweep()
            assert hers.exists()
            assert not his.exists()

    asyncio.run(live())


def test_a_path_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            outside = write(tmp_path, "outside/keep.png", 10, 50)
            (tmp_path / "output" / "ann").mkdir(parents=True)
            (tmp_path / "output" / "ann" / "link").symlink_to(outside.parent)
            await over(store, 50, [("../../outside/keep.png", 10), ("link/keep.png", 10), ("gone.png", 10)])
            await keeper(store, tmp_path, outputs_days=10).sweep()
            assert outside.exists()
            assert await store.read(lambda c: outputs.page(c, client="ann")) == ()

    asyncio.run(live())


def test_uploads_go_by_age_and_by_size_but_none_of_today(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            folder = tmp_path / "uploads" / "ann"
            old, middle, young = (write(folder, f"in/{days}.png", 100, days) for days in (40, 5, 0.5))
            outside = write(tmp_path, "outside/keep.png", 100, 400)
            (folder / "link").symlink_to(outside.parent)
            await keeper(store, tmp_path, uploads_days=30).sweep()
            assert (old.exists(), middle.exists(), young.exists()) == (False, True, True)
            await keeper(store, tmp_path, uploads_bytes=10).sweep()
            assert (middle.exists(), young.exists(), outside.exists()) == (False, True, True)

    asyncio.run(live())


def test_the_trash_is_emptied_after_its_days(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            await over(store, 1, [("a.png", 10), ("b.png", 10)])
            kept, gone = (write(tmp_path / "output" / "ann", name, 10, 1) for name in ("a.png", "b.png"))
            first, second = await store.read(lambda c: outputs.page(c, client="ann"))
            names = {first.path: first.id, second.path: second.id}
            await store.write(lambda c: outputs.trash(c, names["a.png"], NOW - 6 * DAY))
            await store.write(lambda c: outputs.trash(c, names["b.png"], NOW - 8 * DAY))
            graves = [tmp_path / "trash" / "uploads" / "ann" / new_id() for _ in range(2)]
            for grave, days in zip(graves, (6, 8), strict=True):
                write(grave, "in/x.png", 10, days)
                os.utime(grave, (NOW - days * DAY,) * 2)
            await keeper(store, tmp_path).sweep()
            assert (kept.exists(), gone.exists()) == (True, False)
            assert [grave.exists() for grave in graves] == [True, False]

    asyncio.run(live())


def test_small_pictures_take_only_so_much_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.server.retention.THUMBNAIL_BYTES", 250)

    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            made = [write(tmp_path / "cache" / "thumbnails", f"{days}/t.webp", 100, days) for days in (3, 2, 1)]
            await keeper(store, tmp_path).sweep()
            assert [each.exists() for each in made] == [False, True, True]

    asyncio.run(live())


def test_submissions_get_through_while_much_is_dropped(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            await asyncio.gather(*(over(store, 40) for _ in range(450)))
            dropping = asyncio.create_task(keeper(store, tmp_path, jobs_days=30).sweep())
            while not dropping.done():
                await over(store, 1)
            await dropping
            left = await store.read(lambda c: jobs.counts(c))
            assert left[JobState.SUCCEEDED] >= 2

    asyncio.run(live())


def test_it_works_in_the_background_and_stops_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeflow.server.retention.FIRST", 0.0)

    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            await over(store, 40)
            working = keeper(store, tmp_path, jobs_days=30)
            working.start()
            async with asyncio.timeout(5.0):
                while (await store.read(lambda c: jobs.page(c, client=None))).total:
                    await asyncio.sleep(0.01)
            await working.stop()
            await working.stop()

    asyncio.run(live())
