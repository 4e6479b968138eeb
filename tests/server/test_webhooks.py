"""Webhooks reach who was listed, signed and in the end; nobody else is ever connected to."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from nodeflow.core.errors import UsageError
from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.jobs import JobInfo, JobState
from nodeflow.server.hub import Hub
from nodeflow.server.settings import ServerSettings
from nodeflow.server.webhookhosts import Lookup
from nodeflow.server.webhooks import Pace, Webhooks, check_webhook
from nodeflow.storage.database import deliveries
from nodeflow.storage.database.deliveries import Delivery
from nodeflow.storage.database.store import Store
from nodeflow.storage.secrets import SecretPlaces
from tests.server.watching import ended, hub_at, started

SECRET = "sesame, open"
QUICK = Pace(backoff=(0.02, 0.04, 0.08), timeout=0.5)


@dataclass
class Receiver:
    """Somebody who is told, and answers with one status after the other; the last one stays."""

    statuses: Sequence[int] = (200,)
    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.visited.append(request.path)
        self.got.append((dict(request.headers), await request.read()))
        status = self.statuses[min(len(self.got), len(self.statuses)) - 1]
        headers = {"Location": f"http://127.0.0.1:{self.port}/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers, text="x" * 1000)


@asynccontextmanager
async def listening(statuses: Sequence[int] = (200,)) -> AsyncIterator[Receiver]:
    receiver = Receiver(statuses)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def telling(
    store: Store, hub: Hub, hosts: Sequence[str], pace: Pace = QUICK, lookup: Lookup | None = None
) -> AsyncIterator[Webhooks]:
    settings = ServerSettings(webhook_hosts=tuple(hosts))
    secrets = SecretPlaces({"NODEFLOW_SECRET_webhook": SECRET}, Path("nowhere"))
    webhooks = Webhooks(store, settings, secrets, pace=pace, lookup=lookup)
    hub.listen(webhooks.hear)
    webhooks.start()
    try:
        yield webhooks
    finally:
        await webhooks.stop()


async def settled(store: Store, job: str, over: Callable[[Delivery], bool] = lambda d: d.due is None) -> Delivery:
    """The delivery of a job once it is over."""
    async with asyncio.timeout(5.0):
        while True:
            (delivery,) = await store.read(lambda c: deliveries.of_job(c, job))
            if over(delivery):
                return delivery
            await asyncio.sleep(0.01)


def test_who_fails_twice_is_told_the_third_time_and_the_signature_is_right(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening((500, 404, 204)) as receiver:
            async with telling(store, hub, [f"127.0.0.1:{receiver.port}"]):
                job = await started(hub, store, webhook=f"http://127.0.0.1:{receiver.port}/done?of=me#part")
                await ended(hub, store, job, JobState.FAILED)
                delivery = await settled(store, job)
            assert (delivery.tries, delivery.error) == (3, "")
            assert delivery.delivered is not None
            assert len(receiver.got) == 3
            assert len({headers["Nodeflow-Delivery"] for headers, _ in receiver.got}) == 1
            headers, body = receiver.got[-1]
            info = JobInfo.model_validate_json(body)
            assert (info.id, info.state) == (job, JobState.FAILED)
            assert headers["Nodeflow-Event"] == "job.failed"
            signed = headers["Nodeflow-Timestamp"].encode() + b"." + body
            assert (
                headers["Nodeflow-Signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
            )
            assert SECRET not in json.dumps([dict(headers), body.decode()])

    asyncio.run(live())


def test_who_never_answers_well_is_given_up_and_the_next_start_does_not_try_again(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening((503,)) as receiver:
            hosts = [f"127.0.0.1:{receiver.port}"]
            async with telling(store, hub, hosts):
                job = await started(hub, store, webhook=f"http://127.0.0.1:{receiver.port}/")
                await ended(hub, store, job)
                delivery = await settled(store, job)
            assert (delivery.tries, delivery.delivered, delivery.error) == (4, None, "it answered 503")
            async with telling(store, hub, hosts):
                await asyncio.sleep(0.1)
            assert len(receiver.got) == 4

    asyncio.run(live())


def test_what_a_server_could_not_tell_the_next_one_does(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening() as receiver:
            job = await started(hub, store, webhook=f"http://127.0.0.1:{receiver.port}/")
            await ended(hub, store, job)
            async with telling(store, hub, [f"127.0.0.1:{receiver.port}"]):
                delivery = await settled(store, job)
            assert delivery.tries == len(receiver.got) == 1

    asyncio.run(live())


def test_time_between_tries_grows_by_the_clock(tmp_path: Path) -> None:
    async def live() -> None:
        now = [1000.0]
        async with hub_at(tmp_path) as (hub, store), listening((500,)) as receiver:
            pace = Pace(backoff=(5.0, 30.0), clock=lambda: now[0])
            async with telling(store, hub, [f"127.0.0.1:{receiver.port}"], pace) as webhooks:
                job = await started(hub, store, webhook=f"http://127.0.0.1:{receiver.port}/")
                await ended(hub, store, job)
                assert (await settled(store, job, lambda d: d.tries == 1)).due == 1005.0
                now[0] = 1005.0
                webhooks._poked.set()
                assert (await settled(store, job, lambda d: d.tries == 2)).due == 1035.0
                now[0] = 1035.0
                webhooks._poked.set()
                assert (await settled(store, job, lambda d: d.tries == 3)).due is None

    asyncio.run(live())


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening((307,)) as receiver:
            async with telling(store, hub, [f"127.0.0.1:{receiver.port}"]):
                job = await started(hub, store, webhook=f"http://127.0.0.1:{receiver.port}/here")
                await ended(hub, store, job)
                delivery = await settled(store, job)
            assert delivery.error == "it answered 307; redirects are not followed"
            assert set(receiver.visited) == {"/here"}

    asyncio.run(live())


def lookups(*answers: Sequence[str]) -> tuple[Lookup, list[str]]:
    """A name server that says something else each time."""
    asked: list[str] = []

    async def look_up(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return look_up, asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.5",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.5",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:5",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "fe80::1%eth0",
        "nonsense",
    ],
)
def test_a_listed_name_that_leads_into_a_private_network_is_not_connected_to(address: str, tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening() as receiver:
            look_up, asked = lookups([address])
            async with telling(store, hub, [f"hooks.example:{receiver.port}"], Pace(backoff=()), look_up):
                job = await started(hub, store, webhook=f"http://hooks.example:{receiver.port}/")
                await ended(hub, store, job)
                delivery = await settled(store, job)
            assert f"hooks.example leads to {address}, which is not a public address" in delivery.error
            assert asked == ["hooks.example"]
            assert receiver.got == []

    asyncio.run(live())


def test_an_answer_of_the_name_server_that_changes_between_check_and_use_is_of_no_use(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening() as receiver:
            # The first answer is public and passes; connecting must use it, not ask again and get the second.
            look_up, asked = lookups(["2c0f:ffff:ffff::1"], ["127.0.0.1"])
            pace = Pace(backoff=(0.02,), timeout=0.2)
            async with telling(store, hub, [f"hooks.example:{receiver.port}"], pace, look_up):
                job = await started(hub, store, webhook=f"http://hooks.example:{receiver.port}/")
                await ended(hub, store, job)
                delivery = await settled(store, job)
            assert len(asked) == delivery.tries == 2
            assert "127.0.0.1, which is not a public address" in delivery.error
            assert receiver.got == []

    asyncio.run(live())


def test_one_private_address_among_public_ones_spoils_them_all(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening() as receiver:
            look_up, _ = lookups(["1.1.1.1", "127.0.0.1"])
            async with telling(store, hub, [f"hooks.example:{receiver.port}"], Pace(backoff=()), look_up):
                job = await started(hub, store, webhook=f"http://hooks.example:{receiver.port}/")
                await ended(hub, store, job)
                assert "127.0.0.1" in (await settled(store, job)).error
            assert receiver.got == []

    asyncio.run(live())


@pytest.mark.parametrize("hosts", [["localhost"], ["hooks.example", "127.0.0.1"]])
def test_an_address_at_home_is_used_when_the_operator_listed_it(hosts: list[str], tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening() as receiver:
            look_up, _ = lookups(["127.0.0.1"])
            listed = [f"{host}:{receiver.port}" for host in hosts]
            async with telling(store, hub, listed, QUICK, look_up):
                job = await started(hub, store, webhook=f"http://{hosts[0]}:{receiver.port}/")
                await ended(hub, store, job)
                assert (await settled(store, job)).delivered is not None

    asyncio.run(live())


def test_a_host_that_was_taken_off_the_list_hears_nothing_more(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store), listening() as receiver:
            job = await started(hub, store, webhook=f"http://127.0.0.1:{receiver.port}/")
            await ended(hub, store, job)
            async with telling(store, hub, ["other.example"]):
                delivery = await settled(store, job)
            assert delivery.tries == 1
            assert "not among the hosts" in delivery.error
            assert receiver.got == []

    asyncio.run(live())


def test_who_takes_the_connection_and_says_nothing_is_left(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (hub, store):

            async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read()
                writer.close()

            server = await asyncio.start_server(silent, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            async with server, telling(store, hub, [f"127.0.0.1:{port}"], Pace(backoff=(), timeout=0.1)):
                job = await started(hub, store, webhook=f"http://127.0.0.1:{port}/")
                await ended(hub, store, job)
                assert (await settled(store, job)).error == "no answer within 0.1 s"

    asyncio.run(live())


LISTED = ("hooks.example", "hooks.example:8443", "10.0.0.5:9000", "[::1]:9000", "Büro.example")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/done",
        "http://HOOKS.example./x?y=1",
        "https://hooks.example:8443/",
        "http://10.0.0.5:9000/a",
        "http://[0:0:0:0:0:0:0:1]:9000/",
    ],
)
def test_a_listed_host_is_accepted_however_it_is_written(url: str) -> None:
    check_webhook(url, LISTED)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "//hooks.example/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "gopher://hooks.example/",
        "https:///done",
        "https://",
        "https://hooks.example:8444/",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://hooks.example:x/",
        "http://10.0.0.5/",
        "http://10.0.0.5:9001/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://evil.example/",
        "http://hooks.example.evil.example/",
        "http://hooks.example@evil.example/",
        "http://ann:word@hooks.example/",
        "http://evil.example#@hooks.example/",
        "http://evil.example\\@hooks.example/",
        "http://hooks.example\r\nHost: evil.example/",
        "http://hooks.example /",
        "http://hooks.example\x00.evil.example/",
        "http://[::1/",
        "http://[::1]:9001/",
        "http://0x0a000005:9000/",
        "http://167772165:9000/",
        "javascript:alert(1)",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_webhook(url, LISTED)
    assert refused.value.body.code == "webhook.refused"
    assert refused.value.status == 422
    assert "\n" not in refused.value.body.message


def test_hosts_without_a_secret_or_that_are_none_do_not_start(tmp_path: Path) -> None:
    async def live() -> None:
        async with hub_at(tmp_path) as (_, store):
            known = SecretPlaces({"NODEFLOW_SECRET_webhook": SECRET}, tmp_path)
            with pytest.raises(UsageError, match=r"secret that signs.*NODEFLOW_SECRET_webhook"):
                Webhooks(store, ServerSettings(webhook_hosts=("hooks.example",)), SecretPlaces({}, tmp_path))
            for host in ("https://hooks.example", "hooks.example/x", "", "a b"):
                with pytest.raises(UsageError, match="expected a host"):
                    Webhooks(store, ServerSettings(webhook_hosts=(host,)), known)
            Webhooks(store, ServerSettings(), SecretPlaces({}, tmp_path))

    asyncio.run(live())
