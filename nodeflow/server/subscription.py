"""One listener of the hub: where it stands in each job it follows, and what it has not been given yet."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol

from nodeflow.server.news import News, Notice, Picture, Told

PAGE: Final = 256
"""Events handed out at once."""

MOST_JOBS: Final = 20_000
"""Jobs with news that a listener may leave waiting before it is given up."""

MOST_PICTURES: Final = 8


class Pages(Protocol):
    """Where events are read."""

    async def __call__(self, job: str, after: int, limit: int, *, on_disk: bool) -> Sequence[Told]:
        """The events of a job after one, at most so many; from memory where that will do."""
        ...


class Subscription:
    """Holds no events, only up to which one each job was told, so that a listener who stalls costs nothing.

    Those who keep up are served from memory, those who fall behind read the same events from disk: no gap, no
    repeat. Of pictures the latest few are kept, and of each kind of notice the latest; what is too old is dropped.

    Attributes:
        client: Whose jobs it may hear of; None hears of all.
        who: The client who listens.
        pictures: Whether it wants them.
        everything: Whether jobs that it does not follow are told as well, from when they next do something.
        closed: Nothing more will come.
        overrun: It was closed because too much was waiting.
        dropped: Pictures that it never got.
    """

    def __init__(
        self,
        pages: Pages,
        client: str | None,
        *,
        leave: Callable[[], None],
        everything: bool = False,
        pictures: bool = True,
        who: str = "",
    ) -> None:
        self.client = client
        self.who = who
        self.everything = everything
        self.pictures = pictures
        self.closed = False
        self.overrun = False
        self.dropped = 0
        self._pages = pages
        self._leave = leave
        self._cursors: dict[str, int] = {}
        self._news: dict[str, None] = {}
        self._unheard: set[str] = set()
        self._pictures: dict[tuple[str, str], Picture] = {}
        self._notices: dict[tuple[str, str], Notice] = {}
        self._wake = asyncio.Event()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def following(self) -> int:
        """Number of jobs it stands in the middle of."""
        return len(self._cursors)

    def follow(self, job: str, after: int = 0) -> None:
        """Tells of a job from the event after ``after`` on; who may see the job was asked before."""
        self._cursors[job] = after
        self._unheard.add(job)  # only the disk knows what was told before this moment
        self._has_news(job)

    def unfollow(self, job: str) -> None:
        """Tells of a job no more."""
        self._cursors.pop(job, None)
        self._news.pop(job, None)
        self._unheard.discard(job)

    def hears(self, job: str, client: str) -> bool:
        """Whether an event of this job is for it."""
        return job in self._cursors or (self.everything and self.client in (None, client))

    def hear(self, job: str, seq: int) -> None:
        """A job has come to event ``seq``."""
        cursor = self._cursors.setdefault(job, seq - 1)
        if cursor < seq:
            self._has_news(job)

    def see(self, picture: Picture) -> None:
        """A picture that replaces an older one of its node; when many wait, the oldest goes."""
        key = (picture.head.job, picture.head.node)
        self.dropped += self._pictures.pop(key, None) is not None
        self._pictures[key] = picture
        if len(self._pictures) > MOST_PICTURES:
            self._pictures.pop(next(iter(self._pictures)))
            self.dropped += 1
        self._wake.set()

    def note(self, notice: Notice) -> None:
        """A notice that replaces an older one of its kind and key."""
        self._notices[notice.kind, notice.key] = notice
        self._wake.set()

    async def take(self, patience: float) -> Sequence[News]:
        """What is new; nothing when ``patience`` seconds have passed without news, or when it is closed."""
        deadline = asyncio.get_running_loop().time() + patience
        while not self.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._wake.wait()
            news = await self._new()
            if news or asyncio.get_running_loop().time() >= deadline:
                return news
        return ()

    def close(self) -> None:
        """Ends it; whoever waits gets nothing."""
        if not self.closed:
            self.closed = True
            self._cursors.clear()
            self._news.clear()
            self._unheard.clear()
            self._pictures.clear()
            self._notices.clear()
            self._wake.set()
            self._leave()

    def _has_news(self, job: str) -> None:
        self._news[job] = None
        self._wake.set()
        if len(self._news) > MOST_JOBS:
            self.overrun = True
            self.close()

    async def _new(self) -> Sequence[News]:
        """Whatever there is now."""
        news: list[News] = [*self._notices.values(), *self._pictures.values()]
        self._notices.clear()
        self._pictures.clear()
        news += await self._events()
        if not (self._news or self._pictures or self._notices or self.closed):
            self._wake.clear()
        return news

    async def _events(self) -> list[Told]:
        """A page of events, job by job, the one first whose news is oldest."""
        found: list[Told] = []
        while self._news and len(found) < PAGE:
            job = next(iter(self._news))
            del self._news[job]
            found += await self._of(job, PAGE - len(found))
        return found

    async def _of(self, job: str, limit: int) -> Sequence[Told]:
        cursor = self._cursors[job]
        on_disk = job in self._unheard
        self._unheard.discard(job)
        told = await self._pages(job, cursor, limit, on_disk=on_disk)
        if self._cursors.get(job) != cursor:  # while the disk was read, it was closed or sent elsewhere
            return ()
        if len(told) == limit:
            if on_disk:
                self._unheard.add(job)
            self._has_news(job)
        if told:
            self._cursors[job] = told[-1].event.seq
            if told[-1].event.kind == "finished":
                self.unfollow(job)
        return told
