"""Webhooks: telling others of the end of jobs, signed, and again until they have answered."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

from nodeflow.core.errors import UsageError
from nodeflow.core.secrets import SecretFault, SecretSource
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.events import JobEvent
from nodeflow.protocol.jobs import JobInfo
from nodeflow.server.settings import ServerSettings
from nodeflow.server.webhookhosts import CheckedResolver, Lookup, check_hosts, check_webhook
from nodeflow.storage.database import deliveries, jobs
from nodeflow.storage.database.deliveries import Delivery
from nodeflow.storage.database.failures import StorageFailed
from nodeflow.version import __version__

if TYPE_CHECKING:
    from nodeflow.storage.database.store import Store

__all__ = ["Webhooks", "check_webhook", "signature"]

_LOG = logging.getLogger(__name__)

BACKOFF: Final = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds to each next try; after the last one it is given up."""

TIMEOUT: Final = 10.0
AT_ONCE: Final = 16
_GLANCE: Final = 60.0
_PAUSE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How deliveries are timed."""

    backoff: Sequence[float] = BACKOFF
    timeout: float = TIMEOUT
    clock: Callable[[], float] = time.time


class _Failed(Exception):
    """A try that did not succeed; ``final`` when no other will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        self.final = final
        super().__init__(reason)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What ``Nodeflow-Signature`` says: the receiver computes the same from the secret, and compares."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhooks:
    """Delivers what is due, and tries again what failed.

    Each receiver hears of a job at least once; one that hears twice knows it by ``Nodeflow-Delivery``. A host is held
    against the operator's list when a job is submitted and again when it is told, looked up once, and connected to at
    that very address; redirects are not followed, and what it answers is not read.

    Raises:
        UsageError: Hosts are listed, but one of them is none, or there is no secret to sign with.
    """

    def __init__(
        self,
        store: "Store",
        settings: ServerSettings,
        secrets: SecretSource,
        *,
        pace: Pace | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self._store = store
        self._hosts = settings.webhook_hosts
        self._name = settings.webhook_secret
        self._secrets = secrets
        self._pace = pace or Pace()
        self._lookup = lookup
        self._poked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        check_hosts(self._hosts)
        if self._hosts:
            _check_secret(secrets, self._name)

    def start(self) -> None:
        """Begins to deliver, also what an earlier server left."""
        self._task = asyncio.create_task(self._run(), name="webhooks")

    def hear(self, event: JobEvent) -> None:
        """Looks for something to deliver when a job has ended; given to ``Hub.listen``."""
        if event.kind == "finished":
            self._poked.set()

    async def stop(self) -> None:
        """Delivers no more; what is left waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self._hosts, self._lookup), use_dns_cache=False, force_close=True, limit=AT_ONCE
        )
        timeout = aiohttp.ClientTimeout(total=self._pace.timeout)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while True:
                self._poked.clear()
                try:
                    pause = await self._round(session)
                except StorageFailed as error:
                    _LOG.error("webhooks have to wait: %s", error)
                    pause = _PAUSE
                except Exception:  # noqa: BLE001 - one delivery that cannot be made must not end all others
                    _LOG.exception("webhooks have to wait")
                    pause = _PAUSE
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._poked.wait()

    async def _round(self, session: aiohttp.ClientSession) -> float:
        """Tries what is due; the seconds until there may be more."""
        now = self._pace.clock()
        due = await self._store.read(lambda c: deliveries.due(c, now, AT_ONCE))
        await asyncio.gather(*(self._try(session, delivery) for delivery in due))
        if due:
            return 0.0
        soonest = await self._store.read(deliveries.next_due)
        return _GLANCE if soonest is None else min(_GLANCE, max(0.0, soonest - self._pace.clock()))

    async def _try(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        try:
            await self._deliver(session, delivery)
        except _Failed as failure:
            await self._put_off(delivery, failure)
        else:
            now = self._pace.clock()
            await self._store.write(lambda c: deliveries.delivered(c, delivery.id, now))
            _LOG.info("webhook delivered", extra={"job": delivery.job})

    async def _put_off(self, delivery: Delivery, failure: _Failed) -> None:
        waits = self._pace.backoff
        given_up = failure.final or delivery.tries >= len(waits)
        due = None if given_up else self._pace.clock() + waits[delivery.tries]
        await self._store.write(lambda c: deliveries.failed(c, delivery.id, str(failure), due))
        what = "given up" if given_up else "tried again later"
        _LOG.warning("webhook failed and is %s: %s", what, failure, extra={"job": delivery.job})

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        """One try.

        Raises:
            _Failed: It did not come through.
        """
        info = await self._store.read(lambda c: jobs.info(c, delivery.job, None))
        if info is None:
            raise _Failed("the job was deleted", final=True)
        body = info.model_dump_json().encode()
        try:
            url = check_webhook(delivery.url, self._hosts)
            headers = self._headers(delivery, info, body)
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except Refusal as refusal:
            raise _Failed(str(refusal), final=True) from None
        except SecretFault as fault:
            raise _Failed(str(fault)) from None
        except TimeoutError:
            raise _Failed(f"no answer within {self._pace.timeout:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise _Failed(error.os_error.strerror or "there is no connection to it") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Failed(str(error) or type(error).__name__) from None
        if not 200 <= status < 300:
            redirected = "; redirects are not followed" if 300 <= status < 400 else ""
            raise _Failed(f"it answered {status}{redirected}")

    def _headers(self, delivery: Delivery, info: JobInfo, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._pace.clock()))
        return {
            "Content-Type": "application/json",
            "User-Agent": f"nodeflow/{__version__}",
            "Nodeflow-Event": f"job.{info.state.value}",
            "Nodeflow-Delivery": delivery.id,
            "Nodeflow-Timestamp": timestamp,
            "Nodeflow-Signature": signature(self._secrets.read(self._name), timestamp, body),
        }


def _check_secret(secrets: SecretSource, name: str) -> None:
    try:
        secrets.read(name)
    except SecretFault as fault:
        raise UsageError(
            f"webhook_hosts are set, and the secret that signs what they get is missing: {fault}"
        ) from None
