"""Clients that ask a server for all sorts of things, and write down what it promised."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nodeflow.client import AsyncClient
from nodeflow.core.errors import NodeflowError
from tests.serving.asking import Asking, Lost, Reply
from tests.serving.documents import drawn, written
from tests.serving.ledger import FINAL, Ledger, Promise

API = "/api/v1"
_AWAY = frozenset({"server.starting", "server.stopping"})
_PAUSE = 0.05


@dataclass
class Load:
    """Submits, cancels, retries, looks and listens; lost answers are asked for again, as a careful client does.

    Attributes:
        most: Jobs that wait or run before no more are submitted.
        answered: Requests that were answered, by what they were.
        lost: Requests whose answer was lost.
        done: Is set when no new work is to be begun.
    """

    asking: Asking
    ledger: Ledger
    chance: random.Random
    most: int = 30
    answered: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _count: int = 0

    async def client(self) -> None:
        """One client, until ``done``."""
        acts: tuple[tuple[Callable[[], Awaitable[None]], int], ...] = (
            (self.submit, 10),
            (self.submit_again, 1),
            (self.move, 1),
            (self.look, 8),
        )
        acting, weights = [act for act, _ in acts], [weight for _, weight in acts]
        while not self.done.is_set():
            act = self.chance.choices(acting, weights)[0]
            with suppress(IndexError):  # there is no such job yet
                await act()
            await asyncio.sleep(self.chance.uniform(0, 0.08))

    async def listener(self, url: str) -> None:
        """Follows the events of one job after the other, across restarts."""
        async with AsyncClient(url, patience=120) as client:
            while not self.done.is_set():
                id = await self._some(lambda promise: not promise.told)
                if id is None:
                    continue
                try:
                    async for event in client.events(id):
                        self.ledger.told(id, event.model_dump(mode="json"))
                except NodeflowError as error:
                    self.ledger.broken.append(f"the events of {id} could not be followed: {error}")

    async def submit(self) -> None:
        """A new job, asked for until it is acknowledged; now and then another one is cancelled, or repeated."""
        if sum(not promise.final for promise in self.ledger.promises.values()) >= self.most:
            await self.look()
            return
        self._count += 1
        name, key = f"n{self._count}", f"key-{self._count}"
        await self._submitted(name, key)
        if self.chance.random() < 0.15:
            await self.cancel()
        if self.chance.random() < 0.1:
            await self.retry()

    async def submit_again(self) -> None:
        """The same request again: the same job; the same key for something else: refused."""
        promise = self.chance.choice([each for each in self.ledger.promises.values() if each.key])
        if self.chance.random() < 0.7:
            await self._submitted(promise.name, promise.key)
            return
        reply = await self._insist("POST", f"{API}/jobs", {"document": written("other"), "key": promise.key})
        self._noted("reused key", reply, 409, ("key.reused",))

    async def cancel(self) -> None:
        """Cancels a job that is not known to have ended."""
        promise = self.chance.choice([each for each in self.ledger.promises.values() if not each.final][:12])
        reply = await self._insist("POST", f"{API}/jobs/{promise.id}/cancel")
        self._noted("cancel", reply, 200, ("job.final",))
        if reply.status == 200:
            promise.cancelled_at = promise.cancelled_at or time.time()
            self.ledger.seen(promise.id, reply.body["state"])

    async def retry(self) -> None:
        """Repeats a job that has ended; an answer that is lost is not asked for again."""
        promise = self.chance.choice([each for each in self.ledger.promises.values() if each.final][-12:])
        try:
            reply = await self._sent("POST", f"{API}/jobs/{promise.id}/retry")
        except Lost:
            self.ledger.lost_retries[promise.id] += 1
            return
        self._noted("retry", reply, 201, ())
        if reply.status == 201:
            self.ledger.taken(Promise(reply.body["id"], promise.name, retry_of=promise.id))

    async def move(self) -> None:
        """Puts a job in front of another one, if both still wait."""
        waiting = [each.id for each in self.ledger.promises.values() if not each.final]
        id, before = self.chance.sample(waiting, 2) if len(waiting) > 1 else ("", "")
        if id:
            reply = await self._insist("PATCH", f"{API}/jobs/{id}", {"before": before})
            self._noted("move", reply, 200, ("job.not-queued",))

    async def look(self) -> None:
        """Looks at a job that is not known to have ended."""
        promise = self.chance.choice([each for each in self.ledger.promises.values() if not each.final][:12])
        reply = await self._insist("GET", f"{API}/jobs/{promise.id}")
        self._noted("look", reply, 200, ())
        if reply.status == 200:
            self.ledger.seen(promise.id, reply.body["state"])

    async def drained(self, seconds: float) -> None:
        """Waits until every job has come to its end."""
        async with asyncio.timeout(seconds):
            for promise in [*self.ledger.promises.values()]:
                while not promise.final:
                    reply = await self._insist("GET", f"{API}/jobs/{promise.id}?wait=5")
                    if reply.status != 200:
                        self._noted("look", reply, 200, ())
                        break
                    self.ledger.seen(promise.id, reply.body["state"])
            while (reply := await self._insist("GET", f"{API}/queue")).body["queued"] + reply.body["running"]:
                await asyncio.sleep(_PAUSE)

    async def _submitted(self, name: str, key: str) -> None:
        steps = int(name[1:]) * 7 % 40  # known by the name, so that the same key comes with the same body
        document = drawn(name, steps) if int(name[1:]) % 5 == 0 else written(name, steps)
        reply = await self._insist("POST", f"{API}/jobs", {"document": document, "key": key})
        self._noted("submit", reply, 200 if key in self.ledger.keys else 201, (), also=200)
        if reply.status in (200, 201):
            self.ledger.taken(Promise(reply.body["id"], name, key))
            self.ledger.seen(reply.body["id"], reply.body["state"])

    async def _insist(self, method: str, path: str, body: Any = None) -> Reply:
        """Asks until there is an answer."""
        while True:
            try:
                return await self._sent(method, path, body)
            except Lost:
                await asyncio.sleep(_PAUSE)

    async def _sent(self, method: str, path: str, body: Any = None) -> Reply:
        try:
            reply = await self.asking.ask(method, path, body)
        except Lost:
            self.lost += 1
            raise
        if reply.code in _AWAY:
            raise Lost(reply.code)
        return reply

    def _noted(self, what: str, reply: Reply, expected: int, codes: tuple[str, ...], *, also: int = 0) -> None:
        self.answered[what] = self.answered.get(what, 0) + 1
        if reply.status not in (expected, also) and reply.code not in codes:
            self.ledger.broken.append(f"{what} was answered with {reply.status} {str(reply.body)[:300]}")

    async def _some(self, chosen: Callable[[Promise], bool]) -> str | None:
        found = [each.id for each in self.ledger.promises.values() if chosen(each)]
        if not found:
            await asyncio.sleep(_PAUSE)
            return None
        return self.chance.choice(found[-20:])


__all__ = ["API", "FINAL", "Load"]
