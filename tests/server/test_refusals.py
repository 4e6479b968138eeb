"""Every refusal there is, brought about from outside: its status, its code, a message that names the way out.

Nothing of it leaves a traceback in the log, which is looked at when the server has stopped.
"""

import asyncio
import http.client
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nodeflow.protocol.errors import STATUS, ErrorBody
from nodeflow.server.front import Front
from nodeflow.server.settings import ServerSettings
from tests.cli.conftest import PACK, interface
from tests.cli.liveserver import live_server
from tests.server.serving import Port, served

API = "/api/v1"
CONFIG = """
[server.limits]
queue = 3
body = 100_000
depth = 20
nodes = 50
upload = 50_000
quota = 60_000
body_seconds = 1.0
sockets = 1
"""
JOIN = {"type": "shelltest.Join", "version": 1, "inputs": {"text": "x"}}
TEXT = {"nodeflow": 1, "nodes": {"join": JOIN}, "interface": interface({"text": "join.text"}, {"said": "join.text"})}
BROKEN = {
    "nodeflow": 1,
    "nodes": {"bad": {"type": "shelltest.Broken", "version": 1, "inputs": {}}},
    "interface": interface({}, {"said": "bad.text"}),
}
UNKNOWN_ID = "0" * 26

NOT_FROM_OUTSIDE = {
    "server.error": "a fault of the server itself",
}
"""Codes that no request brings about, and why."""


@dataclass(frozen=True)
class Bad:
    """A request that is refused.

    Attributes:
        request: Method and path; ``{name}`` stands for something that the fixture has made.
        body: A dictionary is sent as JSON.
        says: A pattern that message and hint have between them: what is wrong, and what to do.
        token: Whose it is; None to send none.
    """

    code: str
    request: str
    body: Any = None
    says: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    token: str | None = "admin"


def bad(code: str, request: str, says: str, body: Any = None, *, token: str | None = "admin", **headers: str) -> Bad:
    """A row; ``If_Match="…"`` is the header If-Match."""
    return Bad(code, request, body, says, {name.replace("_", "-"): value for name, value in headers.items()}, token)


def job(document: Any = TEXT, **more: Any) -> dict[str, Any]:
    return {"document": document, **more}


def wrong(**inputs: Any) -> dict[str, Any]:
    """A document with a node that has other inputs than it may have."""
    node = {"type": "shelltest.Count", "version": 1, "inputs": inputs}
    return {"nodeflow": 1, "nodes": {"n": node}, "interface": interface({}, {"out": "n.number"})}


DEEP = b'{"document": ' + b"[" * 50 + b"]" * 50 + b"}"
MANY = {"nodeflow": 1, "nodes": {f"n{number}": JOIN for number in range(60)}}
FORM = "multipart/form-data; boundary=x"
LOOK = {
    "nodeflow": 1,
    "nodes": {"look": {"type": "shelltest.Look", "version": 1, "inputs": {"file": "nowhere.png"}}},
    "interface": interface({}, {"n": "look.number"}),
}
STREAM = {"Content_Type": "application/octet-stream"}

TABLE = (
    bad("request.malformed", "POST /jobs", "JSON", b"{"),
    bad("request.malformed", "POST /jobs", "JSON", b""),
    bad("request.malformed", "POST /jobs", "found NaN; expected a finite number", b'{"document": NaN}'),
    bad("request.malformed", "POST /jobs", "twice|duplicate", b'{"document": {}, "document": {}}'),
    bad("request.malformed", "POST /jobs", "UTF-8", b'{"document": "\xff"}'),
    bad("request.malformed", "PUT /documents/draft", "JSON", b"no JSON"),
    bad("request.malformed", "GET /ws", "WebSocket"),
    bad("request.malformed", "POST /files", "form", b"--y\r\n", Content_Type="multipart/form-data"),
    bad("auth.missing", "GET /jobs", "nodeflow token create", token=None),
    bad("auth.missing", "POST /jobs", "Authorization: Bearer", job(), token=None),
    bad("auth.refused", "GET /jobs", "unknown or was revoked", token="nf_wrong"),
    bad("auth.refused", "POST /login", "unknown or was revoked", {"token": "nf_wrong"}, token=None),
    bad("auth.role", "POST /jobs", "role read; this needs run", job(), token="reader"),
    bad("auth.role", "POST /queue/pause", "role run; this needs admin", token="runner"),
    bad("auth.role", "GET /tokens", "nodeflow token create NAME --role", token="runner"),
    bad("host.refused", "GET /jobs", "evil.example.*server.names", Host="evil.example"),
    bad("origin.refused", "POST /jobs", "evil.example.*server.origins", job(), Origin="https://evil.example"),
    bad("origin.refused", "GET /ws", "server.origins", Origin="null"),
    bad("job.unknown", f"GET /jobs/{UNKNOWN_ID}", f"no job {UNKNOWN_ID}"),
    bad("job.unknown", "GET /jobs/not-an-id", "no job not-an-id"),
    bad("job.unknown", "GET /jobs/{done}", "no job", token="runner"),
    bad("job.unknown", f"POST /jobs/{UNKNOWN_ID}/cancel", "no job"),
    bad("job.unknown", f"POST /jobs/{UNKNOWN_ID}/retry", "no job"),
    bad("job.unknown", f"DELETE /jobs/{UNKNOWN_ID}", "no job"),
    bad("job.unknown", f"PATCH /jobs/{UNKNOWN_ID}", "no job", {"priority": 1}),
    bad("job.unknown", "PATCH /jobs/{queued}", "no job", {"before": UNKNOWN_ID}),
    bad("job.unknown", f"GET /jobs/{UNKNOWN_ID}/events", "no job"),
    bad("sweep.unknown", "GET /sweeps/nothing", "no sweep.*nothing"),
    bad("document.unknown", "GET /documents/nothing", "no document 'nothing'"),
    bad("document.unknown", "GET /documents/draft?version=99", "no version 99 of document 'draft'"),
    bad("document.unknown", "DELETE /documents/nothing", "no document"),
    bad("workflow.unknown", "POST /workflows/nothing/run", "GET /api/v1/workflows", {}),
    bad("workflow.unknown", "GET /workflows/text@99", "text.*GET /api/v1/workflows"),
    bad("workflow.unknown", "GET /workflows/text@last", "text@last"),
    bad("output.unknown", "GET /outputs/nothing", "no output 'nothing' of yours"),
    bad("output.unknown", "GET /outputs/{output}", "no output", token="runner"),
    bad("file.unknown", "GET /files/nothing.png", "no file 'nothing.png' of yours"),
    bad("file.unknown", "DELETE /files/nothing.png", "no file"),
    bad("node.unknown", "GET /nodes/shelltest.Jion", "shelltest.Join"),
    bad("model.unknown", "GET /models/checkpoints/nothing.safetensors/preview", "nothing.safetensors"),
    bad("token.unknown", "DELETE /tokens/nobody", "no valid token named 'nobody'"),
    bad("token.unknown", "POST /tokens/nobody/rotate", "there is, and was, no token named 'nobody'"),
    bad("route.unknown", "GET /api/v2/jobs", "GET /api/v1/openapi.json"),
    bad("route.unknown", "GET /jobs/a/b/c", "GET /api/v1/openapi.json"),
    bad("route.method", "PUT /jobs", "GET.*POST", {}),
    bad("accept.impossible", "POST /workflows/text/run", "no picture.*image/png", {"key": "text"}, Accept="image/png"),
    bad("job.failed", "POST /workflows/broken/run", "IndexError", {"key": "broken"}, Accept="image/png"),
    bad("job.cancelled", "POST /workflows/text/run", "cancelled", {"key": "cancelled"}, Accept="image/*"),
    bad("job.final", "POST /jobs/{cancelled}/cancel", "ended already: cancelled"),
    bad("job.not-final", "POST /jobs/{queued}/retry", "wait for its end, or cancel it"),
    bad("job.not-final", "DELETE /jobs/{queued}", "cancel it first"),
    bad("job.not-queued", "PATCH /jobs/{done}", "no longer queued", {"priority": 1}),
    bad("key.reused", "POST /jobs", "take a new key", job(key="first", priority=1)),
    bad("key.reused", "POST /jobs", "take a new key", job(priority=1), Idempotency_Key="first"),
    bad("key.reused", "POST /workflows/text/run", "take a new key", {"key": "text", "inputs": {"text": "other"}}),
    bad("document.stale", "PUT /documents/draft", "version 1 by now.*save from that version", TEXT),
    bad("document.stale", "PUT /documents/nothing?version=3", "gone.*version=0", TEXT),
    bad("document.exists", "PATCH /documents/draft", "draft2.*another name", {"name": "draft2"}),
    bad("file.exists", "PUT /files/note.txt", "another name.*replace=true", b"other", **STREAM),
    bad("token.exists", "POST /tokens", "runner.*revoke|runner.*another name", {"name": "runner", "role": "run"}),
    bad("token.exists", "POST /tokens", "choose another name", {"name": "local", "role": "run"}),
    bad("file.gone", "GET /outputs/{lost}", "deleted or moved; run job"),
    bad("file.gone", "GET /outputs/{trashed}", "trash.*restore"),
    bad("request.too-large", "POST /jobs", "100,000", job(metadata={"x": "y" * 200_000})),
    bad("request.too-large", "POST /jobs", "51 levels.*at most 20", DEEP),
    bad("document.invalid", "POST /jobs", "60 nodes.*at most 50", job(MANY)),
    bad("request.too-large", "PUT /files/big.txt", "50,000", b"x" * 55_000, **STREAM),
    bad("request.too-large", "PUT /files/much.txt", "DELETE /api/v1/files/NAME", b"x" * 45_000, **STREAM),
    bad("request.media-type", "POST /jobs", "text/plain; expected application/json", b"{}", Content_Type="text/plain"),
    bad(
        "request.media-type", "POST /jobs", "application/json", b"{}", Content_Type="application/x-www-form-urlencoded"
    ),
    bad("request.media-type", "POST /jobs", "send it as it is", b"{}", Content_Encoding="gzip"),
    bad(
        "request.media-type",
        "PUT /files/a.png",
        "image/png; .*files are sent as application/octet-stream",
        b"x",
        Content_Type="image/png",
    ),
    bad("request.media-type", "PUT /files/a.exe", "PNG, JPEG and WebP.*are taken", b"MZ", **STREAM),
    bad("range.unsatisfiable", "GET /outputs/{output}", "bytes", Range="bytes=900000-"),
    bad("document.invalid", "POST /jobs", "nodeflow", job({})),
    bad(
        "document.invalid",
        "POST /jobs",
        "shelltest.Cuont.*shelltest.Count",
        job({**MANY, "nodes": {"n": {"type": "shelltest.Cuont", "inputs": {}}}}),
    ),
    bad("document.invalid", "POST /jobs", "steps.*1000", job(wrong(steps=10**9))),
    bad("document.invalid", "POST /jobs", "steps", job(wrong(steps="many"))),
    bad("document.invalid", "POST /jobs", "stpes.*steps", job(wrong(stpes=1))),
    bad("document.invalid", "POST /jobs", "nonsense", job(inputs={"nonsense": 1})),
    bad("document.invalid", "POST /jobs", "nothing", job(targets=["nothing"])),
    bad("document.invalid", "PUT /documents/draft?version=1", "nodeflow", {"nodes": 7}),
    bad("document.missing-file", "POST /jobs", "nowhere.png.*", job(LOOK)),
    bad("request.invalid", "POST /jobs", "document: it is missing", {"documnet": {}}),
    bad("request.invalid", "POST /jobs", 'priorty: there is no such field.*did you mean "priority"', job(priorty=3)),
    bad("request.invalid", "POST /jobs", "expected an object", [1, 2, 3]),
    bad("request.malformed", "POST /jobs", r"priority.*found 1000.*expected.*2\^53", job(priority=10**40)),
    bad("request.invalid", "POST /jobs", "priority.*100", job(priority=101)),
    bad("request.invalid", "POST /jobs", "deadline", job(deadline=-1)),
    bad("request.malformed", "POST /jobs", "deadline.*Infinity", job(deadline=1e400)),
    bad("request.invalid", "POST /jobs", "16,384", job(metadata={"x": "y" * 20_000})),
    bad("request.invalid", "POST /jobs", "label", job(label="../../etc")),
    bad("request.invalid", "POST /jobs", "keep one", job(key="one"), Idempotency_Key="two"),
    bad(
        "request.invalid", "POST /jobs", "refresh: there is no node .*joim.*did you mean .*join", job(refresh=["joim"])
    ),
    bad("request.invalid", "POST /jobs", "refresh: .*is not external", job(refresh=["join"])),
    bad("request.invalid", "POST /jobs", "targets: expected a list", job(targets="join")),
    bad("request.invalid", "POST /sweeps", "over.text: it has too few items", job(over={"text": []})),
    bad("request.invalid", "POST /sweeps", "nothing to vary; give at least one input", job(over={})),
    bad("queue.full", "POST /sweeps", "4 points.*fewer values", job(over={"text": ["a", "b", "c", "d"]})),
    bad("request.invalid", "GET /jobs?limit=1000000", "limit"),
    bad("request.invalid", "GET /jobs?stat=queued", 'stat: there is no such field.*did you mean "state"'),
    bad("request.invalid", "GET /jobs?state=waiting", "queued"),
    bad("request.invalid", "GET /jobs?limit=1&limit=2", "given twice"),
    bad("request.invalid", "GET /jobs/{done}?wait=forever", "wait"),
    bad("request.invalid", "PUT /files/..%2F..%2Fetc%2Fpasswd", "cannot be used", b"x", **STREAM),
    bad("request.invalid", "PUT /files/note.txt%00.png", "cannot be used", b"x", **STREAM),
    bad("request.invalid", "PUT /documents/a%20b", "letters, digits", TEXT),
    bad("request.invalid", "PUT /documents/draft", "no version", TEXT, If_Match="three"),
    bad("request.invalid", "POST /workflows/text/run?output=x", "no output 'x'", {}),
    bad("document.invalid", "POST /workflows/text/run", "prompt.*text", {"inputs": {"prompt": "x"}}),
    bad("request.invalid", "POST /tokens", "role", {"name": "x", "role": "god"}),
    bad("request.invalid", "POST /tokens", "name", {"name": "../x", "role": "run"}),
    bad("picture.refused", "PUT /files/broken.png", "PNG|picture", b"\x89PNG\r\n\x1a\n" + b"0" * 50, **STREAM),
    bad("webhook.refused", "POST /jobs", "hooks.example.*webhook_hosts", job(webhook="https://hooks.example/done")),
    bad("request.headers", "GET /jobs", "headers", X_Much="x" * 9000),
)


def ids(row: Bad) -> str:
    return f"{row.code}-{row.request.replace('/', '|')}"


@dataclass
class There:
    """A server, and what is in it."""

    port: Port
    home: Path
    known: dict[str, str]

    def ask(self, row: Bad) -> Any:
        method, path = row.request.split(" ", 1)
        path = path.format(**self.known) if "{" in path else path
        token = None if row.token is None else self.known.get(f"token {row.token}", row.token)
        headers = {"Content-Type": "application/json"} if row.body is not None else {}
        body = json.dumps(row.body).encode() if isinstance(row.body, dict | list) else row.body
        address = path if path.startswith("/api") else API + path
        return self.port.ask(method, address, body, token=token, headers=headers | row.headers)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """A server with narrow limits and one of everything; its queue is paused."""
    folder = tmp_path_factory.mktemp("refusals")
    home = folder / "home"
    shutil.copytree(PACK, home / "packs" / "shelltest", ignore=shutil.ignore_patterns("__pycache__"))
    (home / "config.toml").write_text(CONFIG)
    with live_server(home, folder / "log") as live:
        there = There(Port(live.port), home, {"token admin": (home / "server.token").read_text().strip()})
        prepare(there)
        yield there
    assert '"level": "error"' not in (folder / "log").read_text()


def prepare(there: There) -> None:
    """One of everything that a refusal can be about."""
    known = there.known

    def done(request: str, body: Any = None, **headers: str) -> Any:
        answer = there.ask(bad("", request, "", body, **headers))
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None

    for name, role in (("runner", "run"), ("reader", "read")):
        known[f"token {name}"] = done("POST /tokens", {"name": name, "role": role})["token"]
    for name in ("draft", "draft2"):
        done(f"PUT /documents/{name}?version=0", TEXT)
    done("PUT /files/note.txt", b"x" * 20_000, **STREAM)
    done("POST /workflows/text", {"document": TEXT})
    done("POST /workflows/broken", {"document": BROKEN})
    found = done("POST /workflows/text/run?wait=60", {"key": "text"})
    assert found["state"] == "succeeded", found
    known["done"], known["output"] = found["id"], found["outputs"]["said"][0]["id"]
    assert done("POST /workflows/broken/run?wait=60", {"key": "broken"})["state"] == "failed"
    for name in ("lost", "trashed"):
        made = done("POST /workflows/text/run?wait=60", {"inputs": {"text": name}})
        known[name] = made["outputs"]["said"][0]["id"]
        file = made["outputs"]["said"][0]["file"]
        if name == "lost":
            (there.home / "output" / file).unlink()
    done("DELETE /outputs/{trashed}")
    done("POST /queue/pause")
    known["cancelled"] = done("POST /workflows/text/run?wait=0", {"key": "cancelled"})["id"]
    done("POST /jobs/{cancelled}/cancel")
    known["queued"] = done("POST /jobs", job(key="first"))["id"]


def check(answer: Any, code: str, says: str) -> None:
    assert answer.status == STATUS[code], answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    body = ErrorBody.model_validate_json(answer.body)
    assert body.code == code
    said = " ".join([body.message, body.hint, *(problem.hint or "" for problem in body.problems)])
    assert re.search(says, said, re.DOTALL), said
    assert "Traceback" not in said
    assert "\n" not in body.message
    assert len(body.message) < 1000


@pytest.mark.parametrize("row", TABLE, ids=ids)
def test_it_is_refused_with_its_code_and_the_way_out(there: There, row: Bad) -> None:
    check(there.ask(row), row.code, row.says)


def test_a_full_queue_says_when_to_come_again(there: There) -> None:
    made = [there.ask(bad("", "POST /jobs", "", job())) for _ in range(2)]
    try:
        answer = there.ask(bad("", "POST /jobs", "", job()))
        check(answer, "queue.full", "3 jobs wait, of at most 3.*try again later, or cancel")
        assert int(answer.headers["retry-after"]) > 0
    finally:
        for each in made:
            there.ask(bad("", f"POST /jobs/{each.json['id']}/cancel", ""))


def test_a_body_that_does_not_come_is_not_waited_for(there: There) -> None:
    token = there.known["token admin"]
    head = f"POST {API}/jobs HTTP/1.1\r\nHost: 127.0.0.1:{there.port.port}\r\nAuthorization: Bearer {token}\r\n"
    said = there.port.raw(f"{head}Content-Type: application/json\r\nContent-Length: 5\r\n\r\n".encode())
    assert b" 408 " in said.splitlines()[0]
    assert ErrorBody.model_validate_json(said.partition(b"\r\n\r\n")[2]).code == "request.timeout"


def test_one_stream_more_than_there_may_be_is_told_what_to_change(there: There) -> None:
    with streaming(there, there.known["queued"]):
        answer = there.ask(bad("", "GET /jobs/{queued}/events", ""))
    check(answer, "server.busy", "close some, or raise limits.sockets")


@contextmanager
def streaming(there: There, job: str) -> Iterator[None]:
    with closing(http.client.HTTPConnection("127.0.0.1", there.port.port, timeout=10)) as connection:
        headers = {"Authorization": f"Bearer {there.known['token admin']}"}
        connection.request("GET", f"{API}/jobs/{job}/events", headers=headers)
        assert connection.getresponse().status == 200
        yield


def test_a_disk_that_takes_nothing_is_told(there: There) -> None:
    folder = there.home / "uploads" / "runner"
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    row = bad("", "PUT /files/a.txt", "", b"x", token="runner", **STREAM)
    check(there.ask(row), "server.storage", "'a.txt' could not be kept: .*the disk of the server has to have room")


def test_a_server_that_takes_published_workflows_only_says_so_and_one_without_workers_too(tmp_path: Path) -> None:
    with served(tmp_path, ServerSettings(port=0, workers="cpu", published_only=True)) as server:
        check(server.ask("POST", f"{API}/jobs", job()), "documents.published-only", "GET /api/v1/workflows")
    with served(tmp_path, ServerSettings(port=0, workers="cpu")) as server:
        document = {
            "nodeflow": 1,
            "interface": interface({}, {"lines": "a.texts"}),
            "nodes": {"a": {"type": "SplitLines", "version": 1, "inputs": {"text": "x"}}},
        }
        check(server.ask("POST", f"{API}/explain", {"document": document}), "worker.none", "try again.*/readyz")


def test_what_ran_once_is_not_run_again_where_only_published_workflows_are(tmp_path: Path) -> None:
    document = {"nodeflow": 1, "nodes": {"a": {"type": "SplitLines", "version": 1, "inputs": {"text": "x"}}}}
    with served(tmp_path) as server:
        before = server.ask("POST", f"{API}/jobs", {"document": document}).json["id"]
        assert server.ask("POST", f"{API}/jobs/{before}/cancel").status == 200
        assert server.ask("POST", f"{API}/jobs/{before}/retry").status == 201
    with served(tmp_path, ServerSettings(port=0, workers="cpu", published_only=True)) as server:
        answer = server.ask("POST", f"{API}/jobs/{before}/retry")
        check(answer, "documents.published-only", "GET /api/v1/workflows")


def test_one_that_stops_takes_nothing_more(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.do(server.parts.jobs.start())
        server.do(server.parts.jobs.stop())
        document = {
            "nodeflow": 1,
            "interface": interface({}, {"lines": "a.texts"}),
            "nodes": {"a": {"type": "SplitLines", "version": 1, "inputs": {"text": "x"}}},
        }
        check(server.ask("POST", f"{API}/jobs", {"document": document}), "server.stopping", "try again when it is back")


def test_one_that_starts_says_when_to_come_again() -> None:
    async def asked() -> Any:
        front = Front(ServerSettings(port=0))
        url = await front.open()
        try:
            return await asyncio.to_thread(Port(int(url.rpartition(":")[2])).get, f"{API}/jobs")
        finally:
            await front.close()

    answer = asyncio.run(asked())
    check(answer, "server.starting", "try again in a second")
    assert answer.headers["retry-after"] == "1"


def test_no_code_is_left_out() -> None:
    text = Path(__file__).read_text()
    checked = {row.code for row in TABLE} | set(re.findall(r'check\(.*?, "([a-z]+\.[a-z-]+)"', text))
    checked |= {"request.timeout"}
    assert sorted(set(STATUS) - checked - set(NOT_FROM_OUTSIDE)) == []
