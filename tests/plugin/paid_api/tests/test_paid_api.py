"""The node against a real server on this machine that counts what it bills."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from nodeflow import Session
from nodeflow.testing import NodeFailed

KEY = "sk-live-0123456789abcdef"
PACK = Path(__file__).parents[1]


class Service:
    """Answers questions, and bills each key of a question once.

    Attributes:
        billed: Questions that were paid for.
        busy: How many times it asks for patience before it answers.
        silent: How many times it bills and then hangs up without an answer.
        most: How many questions were under way at once.
    """

    def __init__(self) -> None:
        self.url = ""
        self.forget()

    def forget(self) -> None:
        """Begin to count anew."""
        self.billed: dict[str, str] = {}
        self.requests = self.busy = self.silent = self.most = self._under_way = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._under_way += 1
        self.requests += 1
        self.most = max(self.most, self._under_way)
        try:
            return await self._answer(request)
        finally:
            self._under_way -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        given = request.headers["Authorization"]
        if given != f"Bearer {KEY}":
            return web.Response(status=401, text=f"{given} is no key of ours")
        if self.busy:
            self.busy -= 1
            return web.Response(status=429, headers={"Retry-After": "0.01"})
        question = (await request.json())["question"]
        self.billed.setdefault(request.headers["Idempotency-Key"], question)
        await asyncio.sleep(0.02)
        if self.silent:
            self.silent -= 1
            assert request.transport is not None
            request.transport.close()
        return web.Response(text=f"{question}? Yes.")


@pytest.fixture(scope="module")
def server() -> Iterator[Service]:
    found = Service()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    app = web.Application()
    app.router.add_post("/ask", found.answer)
    runner = web.AppRunner(app)

    async def begin() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    asyncio.run_coroutine_threadsafe(begin(), loop).result()
    yield found
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def service(server: Service) -> Service:
    server.forget()
    return server


@pytest.fixture(scope="module")
def home(server: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the pack, its setting and the secret, as a user sets them up; each test has its own question."""
    home = tmp_path_factory.mktemp("home")
    for folder in ("packs", "secrets"):
        (home / folder).mkdir()
    (home / "packs" / "paid_api").symlink_to(PACK)
    (home / "config.toml").write_text(f'[packs.paid_api]\nurl = "{server.url}"\n')
    (home / "secrets" / "SERVICE").touch(mode=0o600)
    (home / "secrets" / "SERVICE").write_text(KEY)
    return home


def asking(question: Any, key: str = "SERVICE") -> Any:
    """A document that asks one question, or each line of several."""
    ask = {"type": "paid_api.Ask", "inputs": {"question": question, "key": key}}
    nodes = {"lines": {"type": "SplitLines", "inputs": {"text": "one\ntwo\nthree\nfour\nfive"}}, "ask": ask}
    return {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"answer": {"from": "ask.text"}}}}


def run(home: Path, document: Any, **options: Any) -> Any:
    with Session(home, output_dir=home / "output") as session:
        return session.run(json.dumps(document).encode(), write=(), **options)["answer"].value


def test_an_answer_is_paid_once_and_remembered_by_every_later_process(home: Path, service: Service) -> None:
    for _ in range(2):
        assert run(home, asking("Is it warm")) == "Is it warm? Yes."

    assert service.requests == len(service.billed) == 1


def test_whoever_wants_a_new_answer_pays_again(home: Path, service: Service) -> None:
    run(home, asking("Is it cold"))
    run(home, asking("Is it cold"), refresh=["ask"])

    assert len(service.billed) == 2


def test_patience_is_shown_when_it_is_asked_for(home: Path, service: Service) -> None:
    service.busy = 2

    assert run(home, asking("Is it late")) == "Is it late? Yes."
    assert (service.requests, len(service.billed)) == (3, 1)


def test_a_lost_answer_is_fetched_without_paying_again(home: Path, service: Service) -> None:
    service.silent = 1

    assert run(home, asking("Is it far")) == "Is it far? Yes."
    assert (service.requests, len(service.billed)) == (2, 1)


def test_several_questions_are_under_way_at_once_but_not_too_many(home: Path, service: Service) -> None:
    answers = run(home, asking({"link": "lines.texts"}))

    assert answers == [f"{word}? Yes." for word in ("one", "two", "three", "four", "five")]
    assert sorted(service.billed.values()) == ["five", "four", "one", "three", "two"]
    assert 1 < service.most <= 3


def test_a_key_that_is_refused_is_never_shown(home: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_SECRET_OTHER", "sk-live-wrong")

    with pytest.raises(NodeFailed, match=r"key: the service does not take it: Bearer \*\*\* is no key of ours"):
        run(home, asking("Is it mine", "OTHER"))
    run(home, asking("Is it mine"))
    for file in home.rglob("*"):
        if file.is_file() and file.parent.name != "secrets":
            assert KEY.encode() not in file.read_bytes()
