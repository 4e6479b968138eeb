"""*Designer against production.* A workflow is edited while it earns money, and the worker dies in the middle of it.

A shop calls ``portrait@3`` with one ``curl`` and a photo that was taken on its side. While the metered service behind
it is asked, the worker is killed; meanwhile the designer edits, mutes, saves and publishes. The shop gets its picture,
upright and from version 3; nothing is paid for twice; nobody gets to see the key.
"""

import base64
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, quote_plus
from urllib.request import Request, urlopen

import pytest
from PIL import Image

KEY = "sk-live-7Qz/9+correct=horse&battery"
PACK = Path(__file__).parent / "packs" / "metered"
BRIGHTNESS = {"noon": 1.0, "dawn": 0.75, "dusk": 0.5, "broke": 0.0, "odd": 0.0, "night": 0.25}
WIDE, HIGH = 48, 32
"""Of the photo, as it is to be seen."""
ON_ITS_SIDE = 6
"""EXIF: turn it by 90 degrees to see it upright."""
ORIENTATION = 0x0112


class Service:
    """A metered service behind a real port: it bills each idempotency key once, and its errors quote the API key.

    Attributes:
        requests: How often each idempotency key came.
        bills: What was billed: idempotency key to mood.
        asked: Set when a call has been billed and is not answered.
        go_on: Calls for ``dusk`` get their answer once it is set.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.bills: dict[str, str] = {}
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self.go_on.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, token: str, authorization: str, mood: str) -> tuple[int, str]:
        """Status and text for a call."""
        with self._lock:
            self.requests[token] += 1
            tries = self.requests[token]
            if authorization != f"Bearer {KEY}":
                return 401, f"{authorization} is no key of ours"
            if mood == "broke":
                return 402, f"the account of {KEY} is empty"
            if mood == "odd":
                return 500, f'{{"trace": "charge({KEY!r})", "asked": "{authorization}"}}'
            self.bills.setdefault(token, mood)
        if mood == "dusk" and not self.go_on.is_set():
            self.asked.set()
            self.go_on.wait(60)
        if mood == "dusk" and tries == 2:
            return 503, f"too many calls with {KEY}, and with {quote(KEY, safe='')}"
        return 200, str(BRIGHTNESS[mood])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                mood = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["mood"]
                status, text = service.answer(self.headers["Idempotency-Key"], self.headers["Authorization"], mood)
                body = text.encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # whoever asked was killed

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler


@dataclass
class Reply:
    """What an HTTP client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Scene:
    """Everything that takes part, and everything that anybody got to see."""

    folder: Path
    service: Service
    url: str = ""
    designer: str = ""
    shop: str = ""
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    """All responses, with what was asked."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "NODEFLOW_HOME": str(self.home), "OMP_NUM_THREADS": "1"}

    def shell(self, *words: str) -> str:
        """``nodeflow WORDS`` as a user calls it."""
        command = [sys.executable, "-m", "nodeflow.cli.main", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        self.seen.append((" ".join(words), done.stdout + done.stderr))
        return done.stdout.decode().strip()

    def ask(self, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Reply:
        """One request of the designer, unless another token is given."""
        sent = {"Authorization": f"Bearer {token or self.designer}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(f"{self.url}/api/v1/{path}", data, sent | more, method=method)
        try:
            with urlopen(request, timeout=30) as response:
                reply = Reply(response.status, dict(response.headers), response.read())
        except HTTPError as error:
            reply = Reply(error.code, dict(error.headers), error.read())
        self.seen.append((f"{method} {path}", str(reply.headers).encode() + reply.body))
        return reply

    def curl(self, photo: str, key: str, answer: str) -> "subprocess.Popen[bytes]":
        """What the shop does, in one line of a script."""
        command = [
            *("curl", "--silent", "--show-error", "--dump-header", f"{answer}.headers", "--output", answer),
            *("--header", f"Authorization: Bearer {self.shop}", "--header", f"Idempotency-Key: {key}"),
            *("--header", "Accept: image/png", "--form", f"photo=@{photo};type=image/jpeg"),
            f"{self.url}/api/v1/workflows/portrait@3/run?wait=60",
        ]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def call(self, photo: str, key: str, answer: str) -> Reply:
        """Calls once, and waits for what comes."""
        with self.curl(photo, key, answer) as curl:
            said, _ = curl.communicate(timeout=60)
        assert said == b"", said
        return self.answer(answer)

    def answer(self, name: str) -> Reply:
        """What ``curl`` has written down of an answer."""
        head, body = (self.folder / f"{name}.headers").read_bytes(), (self.folder / name).read_bytes()
        lines = head.decode().replace("HTTP/1.1 100 Continue\r\n\r\n", "").strip().splitlines()
        headers = dict(line.split(": ", 1) for line in lines[1:])
        self.seen.append((f"curl {name}", head + body))
        return Reply(int(lines[0].split()[1]), headers, body)

    def until(self, what: str, true: Any, seconds: float = 30.0) -> Any:
        """Waits for something."""
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, f"no {what} after {seconds:g} s: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)
        return found


def portrait(mood: str, **light: Any) -> dict[str, Any]:
    """The workflow, as bright as a mood."""
    inputs = {"image": {"link": "photo.image"}, "mood": mood, "key": "STUDIO"}
    return {
        "nodeflow": 1,
        "nodes": {
            "photo": {"type": "LoadImage", "version": 1, "inputs": {"image": "sample.png"}},
            "light": {"type": "metered.Light", "version": 1, "inputs": inputs, **light},
        },
        "interface": {
            "inputs": {"photo": {"to": ["photo.image"]}, "mood": {"to": ["light.mood"]}},
            "outputs": {"picture": {"from": "light.image"}, "before": {"from": "photo.image"}},
        },
    }


def quarters(colours: Sequence[tuple[int, int, int]]) -> Image.Image:
    """A picture with a colour in each corner, from the left above to the right below."""
    picture = Image.new("RGB", (WIDE, HIGH))
    corners = [(x, y) for y in (0, HIGH // 2) for x in (0, WIDE // 2)]
    for (x, y), colour in zip(corners, colours, strict=True):
        picture.paste(colour, (x, y, x + WIDE // 2, y + HIGH // 2))
    return picture


COLOURS = ((240, 20, 20), (20, 240, 20), (20, 20, 240), (240, 240, 240))


def take_photo(place: Path, colours: Sequence[tuple[int, int, int]]) -> None:
    """A photo as a phone that lies on its side keeps it: turned, with a note which way is up."""
    exif = Image.Exif()
    exif[ORIENTATION] = ON_ITS_SIDE
    stored = quarters(colours).transpose(Image.Transpose.ROTATE_90)
    stored.save(place, quality=95, subsampling=0, exif=exif)


def corners(data: bytes) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters."""
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (WIDE, HIGH), "it is upright"
        assert picture.getexif().get(ORIENTATION, 1) == 1
        shown = picture.convert("RGB")
        return [shown.getpixel((x, y)) for y in (HIGH // 4, 3 * HIGH // 4) for x in (WIDE // 4, 3 * WIDE // 4)]


def near(found: Sequence[Sequence[int]], brightness: float) -> bool:
    """The colours of the photo, made as bright as that, but for what JPEG loses."""
    pairs = zip(found, COLOURS, strict=True)
    return all(abs(a - b * brightness) < 12 for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A home with the pack, its secret and a sample; a server on a free port; three published versions."""
    service = Service()
    scene = Scene(tmp_path_factory.mktemp("production"), service)
    for folder in ("packs", "secrets", "input"):
        (scene.home / folder).mkdir(parents=True)
    (scene.home / "packs" / "metered").symlink_to(PACK)
    (scene.home / "config.toml").write_text(f'[packs.metered]\nurl = "{service.url}"\n')
    (scene.home / "secrets" / "STUDIO").touch(mode=0o600)
    (scene.home / "secrets" / "STUDIO").write_text(KEY + "\n")
    quarters(COLOURS).save(scene.home / "input" / "sample.png")
    take_photo(scene.folder / "photo.jpg", COLOURS)
    take_photo(scene.folder / "another.jpg", COLOURS[::-1])
    scene.shop = scene.shell("token", "create", "shop", "--role", "run")
    command = [sys.executable, "-m", "nodeflow.cli.main", "serve", "--port", "0", "--workers", "cpu"]
    with (
        scene.log.open("wb") as log,
        subprocess.Popen(command, env=scene.environment, stdout=subprocess.PIPE, stderr=log) as server,
    ):
        try:
            assert server.stdout is not None
            scene.url = server.stdout.readline().decode().split()[-1]
            scene.until("token", (scene.home / "server.token").is_file)
            scene.designer = (scene.home / "server.token").read_text().strip()
            scene.until("worker", lambda: b'"idle"' in scene.ask("GET", "queue").body)
            for mood in ("noon", "dawn", "dusk"):
                published = scene.ask("POST", "workflows/portrait", {"document": portrait(mood), "note": mood})
                assert published.status == 201, published.body
            yield scene
        finally:
            service.go_on.set()
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
            service.close()


@dataclass
class Played:
    """What came of the scene."""

    shop: Reply
    job: dict[str, Any]
    again: Reply
    other_photo: Reply
    stale: Reply
    muted: dict[str, Any]
    failures: list[dict[str, Any]]
    killed: int


@pytest.fixture(scope="module")
def played(scene: Scene) -> Played:
    """The scene itself, once."""
    saved = scene.ask("PUT", "documents/portrait?version=0", portrait("dusk"))
    assert saved.status == 201, saved.body

    with scene.curl("photo.jpg", "order-1", "first.png") as curl:
        assert scene.service.asked.wait(60), "the service was asked, and has not answered"
        (worker,) = scene.ask("GET", "queue").json["workers"]
        job = worker["job"]
        command_line = Path(f"/proc/{worker['pid']}/cmdline").read_bytes()
        os.kill(worker["pid"], signal.SIGKILL)
        stale = design(scene)
        scene.until("second try", lambda: max(scene.service.requests.values()) > 1)
        scene.service.go_on.set()
        said, _ = curl.communicate(timeout=90)
    assert said == b"", said
    scene.seen.append(("the worker's command line", command_line))

    muted = scene.ask("GET", "documents/portrait").json
    return Played(
        shop=scene.answer("first.png"),
        job=scene.ask("GET", f"jobs/{job}", token=scene.shop).json,
        again=scene.call("photo.jpg", "order-1", "again.png"),
        other_photo=scene.call("another.jpg", "order-1", "other.png"),
        stale=stale,
        muted=finished(scene, {"document": muted}),
        failures=[
            finished(scene, {"document": portrait("noon"), "inputs": {"mood": mood}}) for mood in ("broke", "odd")
        ],
        killed=worker["pid"],
    )


def design(scene: Scene) -> Reply:
    """The designer edits, mutes, saves, publishes; another tab that has slept through it saves as well."""
    edited = scene.ask("PUT", "documents/portrait", portrait("night"), If_Match='"1"')
    assert (edited.status, edited.json["version"]) == (200, 2)
    muted = scene.ask("PUT", "documents/portrait", portrait("night", mode="mute"), If_Match='"2"')
    assert (muted.status, muted.json["version"]) == (200, 3)
    published = scene.ask("POST", "workflows/portrait", {"document": portrait("night"), "note": "darker"})
    assert (published.status, published.json["version"]) == (201, 4)
    return scene.ask("PUT", "documents/portrait", portrait("dawn"), If_Match='"1"')


def finished(scene: Scene, request: Any) -> dict[str, Any]:
    """A job of the designer, at its end."""
    submitted = scene.ask("POST", "jobs", request)
    assert submitted.status == 201, submitted.body
    job = scene.ask("GET", f"jobs/{submitted.json['id']}?wait=60").json
    assert isinstance(job, dict)
    return job


def test_the_picture_is_upright_and_that_of_version_3(played: Played) -> None:
    assert played.shop.status == 200, played.shop.body[:2000]
    assert played.shop.headers["Content-Type"] == "image/png"
    assert near(corners(played.shop.body), BRIGHTNESS["dusk"])
    assert played.job["workflow"] == "portrait@3"


def test_the_worker_was_lost_once_and_the_job_did_not_lose_anything(scene: Scene, played: Played) -> None:
    assert [attempt["ending"] for attempt in played.job["attempts"]] == ["worker_lost", "succeeded"]
    assert "SIGKILL" in played.job["attempts"][0]["reason"]
    (worker,) = scene.ask("GET", "queue").json["workers"]
    assert worker["restarts"] == 1
    assert worker["pid"] != played.killed


def test_each_token_was_billed_once(scene: Scene, played: Played) -> None:
    (token,) = (token for token, mood in scene.service.bills.items() if mood == "dusk")
    assert scene.service.requests[token] == 3, "killed, sent away, answered: one and the same call"
    assert list(scene.service.bills.values()) == ["dusk"], "nothing else was paid for"
    assert played.muted["state"] == "succeeded", "what is muted asks nobody"
    assert list(played.muted["outputs"]) == ["before"]
    assert any("muted" in warning["message"] for warning in played.muted["warnings"])


def test_the_same_key_with_the_same_photo_is_the_same_picture(played: Played) -> None:
    assert (played.again.status, played.again.body) == (200, played.shop.body)


def test_the_same_key_with_another_photo_is_refused(played: Played) -> None:
    assert played.other_photo.status == 409
    assert played.other_photo.json["code"] == "key.reused"
    assert played.job["id"] in json.dumps(played.other_photo.json)
    assert "new key" in played.other_photo.json["hint"]


def test_a_stale_save_gets_both_sides(scene: Scene, played: Played) -> None:
    refused = played.stale.json
    assert (played.stale.status, refused["code"]) == (409, "document.stale")
    assert refused["detail"]["theirs"]["version"] == 3
    assert refused["detail"]["theirs"]["document"] == portrait("night", mode="mute")
    assert refused["detail"]["base"]["document"] == portrait("dusk")
    assert scene.ask("GET", "documents/portrait").json == portrait("night", mode="mute"), "nothing was saved over"


def test_what_the_designer_did_changed_no_version(scene: Scene, played: Played) -> None:
    documents = [scene.ask("GET", f"workflows/portrait@{version}").json["document"] for version in (1, 2, 3, 4)]
    assert [each["nodes"]["light"]["inputs"]["mood"] for each in documents] == ["noon", "dawn", "dusk", "night"]


def test_failures_say_what_the_service_said_but_for_the_key(played: Played) -> None:
    broke, odd = played.failures
    assert (broke["state"], broke["error"]["input"]) == ("failed", "key")
    assert "the account of *** is empty" in broke["error"]["message"]
    assert (odd["state"], odd["error"]["node"]) == ("failed", "light")
    assert '"trace": "charge(' in odd["error"]["message"]


def test_a_shop_sees_its_own_jobs_only(scene: Scene, played: Played) -> None:
    theirs = played.failures[0]["id"]
    assert [job["id"] for job in scene.ask("GET", "jobs", token=scene.shop).json["jobs"]] == [played.job["id"]]
    assert scene.ask("GET", f"jobs/{theirs}", token=scene.shop).status == 404


def test_the_key_is_nowhere(scene: Scene, played: Played) -> None:
    for job in (played.job, played.muted, *played.failures):
        for part in ("", "/report", "/document"):
            scene.ask("GET", f"jobs/{job['id']}{part}")
        events = scene.ask("GET", f"jobs/{job['id']}/events")
        assert b"event: finished" in events.body
    scene.shell("jobs", "--server", scene.url)
    log = scene.log.read_bytes()
    assert b"asking for dusk with ***" in log, "what the node printed is in the log"
    assert b"Traceback" not in b"\n".join(line for line in log.splitlines() if b'"worker"' not in line)

    places = [(f"answer to {what}", body) for what, body in scene.seen]
    places += [(str(path), path.read_bytes()) for path in files(scene.folder)]
    places += [(f"database: {place}", text) for place, text in rows(scene.home / "server.db")]
    pictures = [data for _, data in places if data.startswith(b"\x89PNG")]
    texts = [(f"text of a picture: {name}", text.encode()) for data in pictures for name, text in png_texts(data)]
    assert any(b"metered.Light" in text for _, text in texts), "the pictures carry their document"
    assert any(what.startswith("database: events") for what, _ in places)
    found = [place for place, data in places + texts for form in forms() if form in data]
    assert found == []


def forms() -> list[bytes]:
    """The key as it is, and as it looks in URLs, in JSON, in base64."""
    shapes = {KEY, quote(KEY), quote(KEY, safe=""), quote_plus(KEY), json.dumps(KEY)[1:-1], KEY.replace("/", "\\/")}
    return [shape.encode() for shape in shapes] + [base64.b64encode(KEY.encode()).rstrip(b"="), KEY[8:].encode()]


def files(folder: Path) -> Iterator[Path]:
    """All files, hidden ones too, except the one that holds the key."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "STUDIO":
            yield path


def rows(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every value in every table, as bytes."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield from ((table, value if isinstance(value, bytes) else str(value).encode()) for value in row)
    connection.close()


def png_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """The texts in a picture, unpacked."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        yield from ((name, str(value)) for name, value in picture.info.items())
