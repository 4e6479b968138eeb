"""Events on their way: to disk first, then to everybody who listens, none of whom is ever waited for."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.work import Preview
from nodeflow.server.news import Notice, Picture, Told, brief
from nodeflow.server.recent import Recent
from nodeflow.server.subscription import Subscription
from nodeflow.storage.database import events
from nodeflow.storage.database.events import Happening
from nodeflow.storage.database.failures import StorageFailed

if TYPE_CHECKING:
    from nodeflow.storage.database.store import Store

__all__ = ["Hub", "Subscription"]

_LOG = logging.getLogger(__name__)

LINGER: Final = 0.005
"""Seconds in which events gather before they are written together, unless somebody waits for them."""

MOST_WAITING: Final = 2000
"""Events that may wait for the disk before the worker that sends more of them has to wait, too."""

RETRIES: Final = (0.1, 0.5, 2.0)
"""Seconds between attempts to write when the disk refuses."""


@dataclass(frozen=True, slots=True)
class _New:
    """An event that has no number yet."""

    job: str
    client: str
    kind: str
    data: Mapping[str, JsonValue]
    at: float


@dataclass(slots=True)
class _Batch:
    """Events that are written together."""

    events: list[_New] = field(default_factory=list[_New])
    written: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Numbers and keeps events, and tells of them. Use it in one event loop.

    Events of workers come in by ``publish``; those that the store wrote together with a change of a job
    (``queued``, ``attempt``, ``finished``, …) by ``announce``. ``settle`` stands between the two: what was published
    before it is on disk after it, so that ``finished`` is the last event of its job.

    Attributes:
        instance: Another one with each start, by which clients notice that the server was restarted.
    """

    def __init__(self, store: "Store", *, clock: Callable[[], float] = time.time) -> None:
        self.instance = secrets.token_hex(8)
        self._store = store
        self._clock = clock
        self._recent = Recent()
        self._subscriptions: set[Subscription] = set()
        self._listeners: list[Callable[[JobEvent], None]] = []
        self._batch = _Batch()
        self._writing: _Batch | None = None
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._stopped = False

    @property
    def listening(self) -> int:
        """Number of open subscriptions."""
        return len(self._subscriptions)

    def listening_of(self, who: str) -> int:
        """Number of open subscriptions of one client."""
        return sum(each.who == who for each in self._subscriptions)

    async def publish(
        self, job: str, client: str, kind: str, data: Mapping[str, JsonValue], at: float | None = None
    ) -> None:
        """Takes an event of a worker; it is written, numbered and told a moment later, in the order of the calls.

        It happened ``at`` that moment; None is now. Only when very much waits for the disk the caller has to, too.
        """
        self._batch.events.append(_New(job, client, kind, brief(data), self._clock() if at is None else at))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="events")
        if len(self._batch.events) >= MOST_WAITING:
            await self._batch.written.wait()

    async def settle(self) -> None:
        """Waits until everything published so far is written and told, or was given up."""
        batch = self._batch if self._batch.events else self._writing
        if batch is not None:
            self._hurry.set()
            await batch.written.wait()

    def announce(self, events: Sequence[JobEvent], client: str) -> None:
        """Tells of events that are on disk already; ``client`` is whose jobs they are of."""
        for event in events:
            self._tell(event, client)

    def preview(self, client: str, head: Preview, body: bytes) -> None:
        """Shows a picture of a step to those who keep up."""
        picture = Picture(head, body)
        for subscription in self._subscriptions:
            if subscription.pictures and subscription.hears(head.job, client):
                subscription.see(picture)

    def notify(self, kind: str, data: Mapping[str, JsonValue], *, client: str | None = None, key: str = "") -> None:
        """Tells of a change that is no event of a job: of ``client``'s affairs, or, with None, of everybody's.

        Who falls behind gets only the latest notice of each kind and key.
        """
        notice = Notice(kind, data, key)
        for subscription in self._subscriptions:
            if subscription.everything and (client is None or subscription.client in (None, client)):
                subscription.note(notice)

    def subscribe(
        self,
        client: str | None,
        *,
        everything: bool = False,
        job: str | None = None,
        after: int = 0,
        pictures: bool = True,
        who: str = "",
    ) -> Subscription:
        """Listens for ``client`` (None: for all): to ``job`` from the event after ``after`` on, or to everything.

        ``who`` listens, for ``dismiss``; without ``pictures`` no previews come.
        """
        subscription = Subscription(
            self._page,
            client,
            everything=everything,
            pictures=pictures,
            who=who,
            leave=lambda: self._subscriptions.discard(subscription),
        )
        self._subscriptions.add(subscription)
        if job is not None:
            subscription.follow(job, after)
        return subscription

    def listen(self, listener: Callable[[JobEvent], None]) -> None:
        """Calls ``listener`` with each event that is told; it must be quick."""
        self._listeners.append(listener)

    def dismiss(self, who: str) -> None:
        """Ends the subscriptions of a client whose token was revoked."""
        self._close(each for each in self._subscriptions if each.who == who)

    async def aclose(self) -> None:
        """Writes what is waiting, and ends all subscriptions."""
        self._stopped = True
        await self.settle()
        self._close(self._subscriptions)

    def _close(self, subscriptions: Iterable[Subscription]) -> None:
        for subscription in tuple(subscriptions):
            subscription.close()

    def _tell(self, event: JobEvent, client: str) -> None:
        for listener in self._listeners:
            listener(event)
        hearing = [each for each in self._subscriptions if each.hears(event.job, client)]
        if hearing:
            self._recent.add(Told.of(event))
        else:
            self._recent.drop(event.job)
        for subscription in hearing:
            subscription.hear(event.job, event.seq)

    async def _page(self, job: str, after: int, limit: int, *, on_disk: bool) -> Sequence[Told]:
        told = None if on_disk else self._recent.after(job, after, limit)
        if told is not None:
            return told
        return [Told.of(event) for event in await self._store.read(lambda c: events.since(c, job, after, limit))]

    async def _write_all(self) -> None:
        while self._batch.events:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await self._hurry.wait()
            self._hurry.clear()
            batch, self._batch = self._batch, _Batch()
            self._writing = batch
            try:
                for event, client in await self._keep(batch.events):
                    self._tell(event, client)
            finally:
                self._writing = None
                batch.written.set()

    async def _keep(self, new: Sequence[_New]) -> Sequence[tuple[JobEvent, str]]:
        """Writes events, those of each job as one change, all with one sync of the disk."""
        jobs: dict[tuple[str, str], list[Happening]] = {}
        for each in new:
            jobs.setdefault((each.job, each.client), []).append((each.kind, each.data, each.at))
        kept = await asyncio.gather(*(self._keep_of(job, happened) for (job, _), happened in jobs.items()))
        return [(event, client) for (_, client), its in zip(jobs, kept, strict=True) for event in its]

    async def _keep_of(self, job: str, happened: Sequence[Happening]) -> Sequence[JobEvent]:
        """Writes events of a job; what the disk does not take after some tries has not happened for anybody."""
        for pause in (*RETRIES, None):
            try:
                return await self._store.write(lambda c: events.append(c, job, happened))
            except StorageFailed as error:
                if pause is None or self._stopped:
                    _LOG.error("%d events are lost: %s", len(happened), error, extra={"job": job})
                    break
            await asyncio.sleep(pause)
        return ()
