"""Wishes as jobs: documents are filled in, drawn and checked before anything is stored."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, TypeVar, cast

from aiohttp import web
from pydantic import JsonValue

from nodeflow.core.canonical import record_bytes
from nodeflow.core.errors import InvalidDocument
from nodeflow.core.json import JsonValue as Json
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.ids import new_id
from nodeflow.protocol.jobs import JobInfo, JobState
from nodeflow.protocol.report import WarningReport, problem_report
from nodeflow.server.parts import Parts
from nodeflow.server.places import places_of
from nodeflow.server.refusing import reused_key
from nodeflow.server.webhooks import check_webhook
from nodeflow.server.wishes import Wish, with_key
from nodeflow.session.refreshing import check_refresh
from nodeflow.session.workplace import Workplace
from nodeflow.storage.database.adding import known
from nodeflow.storage.database.records import Added, KeyReused, NewJob

T = TypeVar("T")
Place = tuple[str, bytes]

_METADATA: Final = 16 * 1024
_KEPT: Final = 256
"""Requests whose checks are remembered."""
_KEPT_BYTES: Final = 64 * 1024
"""Of one of them, at most."""
_FRESH_SECONDS: Final = 1.0
"""Afterwards a request is checked again, while others of its kind still go by what was found before."""
_KEPT_SECONDS: Final = 5.0
"""Afterwards nobody goes by it: files may have gone meanwhile. Within it, a worker finds that out by itself."""
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request; ``job`` is None for one that the same key had made before."""

    added: Added
    job: NewJob | None


class Submission:
    """Makes jobs. What takes time is done in threads of its own, and remembered for the next that asks the same."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._threads = ThreadPoolExecutor(_THREADS, "check")
        self._made: OrderedDict[Place, _Made] = OrderedDict()
        self._renewing: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(cancel_futures=True)

    async def apart(self, work: Callable[[], T]) -> T:
        """Does what takes time, beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def submit(self, scope: str, body: bytes, key: str | None, read: Callable[[bytes], Wish]) -> Taken:
        """Takes in the job that a request asks for; it is on the disk when this returns.

        Args:
            scope: Who asks for what; the same body means the same only within it.
            body: All of the request.
            key: From its head.
            read: Makes a wish of the body.

        Raises:
            Refusal: It cannot run, with all problems, or is not taken in now.
        """
        place = scope, sha256(body).digest()
        job = await self._of_a_moment_ago(place, body, read)
        if job is None:
            wish = await self.apart(lambda: read(body))
            if (before := await self._before(with_key(wish, key))) is not None:
                return Taken(before, None)
            job = await self._shared(place if len(body) <= _KEPT_BYTES else None, wish)
        return await self._taken(replace(with_key(job, key), id=new_id(), created=time.time()))

    async def submit_wish(self, wish: Wish) -> Taken:
        """``submit`` for what came in another way than as one body."""
        if (before := await self._before(wish)) is not None:
            return Taken(before, None)
        return await self._taken(await self.apart(lambda: self.made(wish)))

    async def _taken(self, job: NewJob) -> Taken:
        return Taken(await self._parts.jobs.submit(job), job)

    async def _before(self, wish: Wish) -> Added | None:
        """The job that the key of a wish has made before: nothing is checked or drawn for it again."""
        key = wish.key
        if key is None:
            return None
        try:
            return await self._parts.store.read(lambda c: known(c, wish.client, key, wish.digest))
        except KeyReused as reused:
            raise reused_key(reused.id) from None

    async def _of_a_moment_ago(self, place: Place, body: bytes, read: Callable[[bytes], Wish]) -> NewJob | None:
        """The job of the same request, which came a moment ago or comes at this time, unless it draws anew."""
        known, now = self._made.get(place), time.monotonic()
        if known is None or now > known.until or known.workplace is not self._parts.workplace:
            return None
        if now > known.fresh and known.job.done():
            self._made[place] = replace(known, fresh=known.until)
            renewing = asyncio.create_task(self._renew(place, body, read))
            self._renewing.add(renewing)
            renewing.add_done_callback(self._renewing.discard)
        job = await asyncio.shield(known.job)
        return None if job.drawn else job

    async def _renew(self, place: Place, body: bytes, read: Callable[[bytes], Wish]) -> None:
        """Checks once more; whoever asks next hears what is wrong now."""
        try:
            job = await self.apart(lambda: self.made(read(body)))
        except Exception:  # noqa: BLE001 - told to the next who asks, by whom it is made again
            self._made.pop(place, None)
            return
        made: asyncio.Future[NewJob] = asyncio.get_running_loop().create_future()
        made.set_result(job)
        self._keep(place, made)

    def _keep(self, place: Place, making: "asyncio.Future[NewJob]") -> None:
        now = time.monotonic()
        self._made[place] = _Made(making, now + _FRESH_SECONDS, now + _KEPT_SECONDS, self._parts.workplace)
        if len(self._made) > _KEPT:
            self._made.popitem(last=False)

    async def _shared(self, place: Place | None, wish: Wish) -> NewJob:
        """Makes a job, and keeps it for a moment where a place for it is given."""
        making = asyncio.ensure_future(self.apart(lambda: self.made(wish)))
        if place is not None:
            self._keep(place, making)
        try:
            job = await asyncio.shield(making)
        except Exception:
            self._drop(place)
            raise
        if job.drawn:
            self._drop(place)
        return job

    def _drop(self, place: Place | None) -> None:
        if place is not None:
            self._made.pop(place, None)

    def made(self, wish: Wish) -> NewJob:
        """The job that a wish is, checked and drawn. Takes time.

        Raises:
            Refusal: Something about it that is no matter of the document.
            InvalidDocument: It cannot run, with all problems.
            UsageError: What is to be asked again is not there.
        """
        options = wish.options
        if options.webhook is not None:
            check_webhook(options.webhook, self._parts.settings.webhook_hosts)
        if len(record_bytes(cast("Json", dict(options.metadata)))) > _METADATA:
            raise Refusal("request.invalid", f"metadata: more than {_METADATA:,} bytes of JSON")
        workplace = self.workplace(wish.client)
        prepared = workplace.prepare(wish.loaded, wish.inputs, wish.targets)
        with workplace.submission(prepared) as ready:
            problems = ready.resolution.problems
            if options.strict and problems:
                raise InvalidDocument(problems)
            if options.refresh and ready.resolution.graph is not None:
                check_refresh(options.refresh, ready.resolution.graph)
            title = ready.document.meta.get("title")
            return NewJob(
                id=new_id(),
                client=wish.client,
                document=ready.document.dumps(),
                created=time.time(),
                title=title if isinstance(title, str) else "",
                workflow=wish.workflow,
                sweep=wish.sweep,
                point=wish.point,
                key=wish.key,
                body_digest=wish.digest,
                options=options,
                targets=wish.targets,
                inputs=cast("Mapping[str, JsonValue]", wish.inputs),
                drawn=ready.drawn,
                problems=tuple(map(problem_report, problems)),
                models=tuple(f"{kind}/{name}" for kind, name in ready.resolution.models),
            )

    def workplace(self, client: str) -> Workplace:
        """Packs and models with the folders of one client."""
        shared = self._parts.workplace
        places = places_of(self._parts.home, client)
        if not {"registry", "models"} <= vars(shared).keys():  # read once, for all clients
            _ = shared.registry, shared.models
        return shared.elsewhere((*shared.input_dirs, *places.inputs), places.output)


SUBMISSION: Final = web.AppKey("submission", Submission)


@dataclass(frozen=True, slots=True)
class _Made:
    """A job as it is made once, good for the same request for a moment."""

    job: "asyncio.Future[NewJob]"
    fresh: float
    until: float
    workplace: Workplace


def queued_info(job: NewJob) -> JobInfo:
    """What is said of a job that was taken in this moment."""
    options = job.options
    return JobInfo(
        id=job.id,
        state=JobState.QUEUED,
        client=job.client,
        title=job.title,
        workflow=job.workflow,
        sweep=job.sweep,
        priority=options.priority,
        created=job.created,
        metadata=options.metadata,
        deadline=options.deadline,
        warnings=_warnings(job),
        drawn=job.drawn,
    )


def _warnings(job: NewJob) -> tuple[WarningReport, ...]:
    return tuple([WarningReport(node=problem.node or "", message=problem.message) for problem in job.problems])
