"""The whole server as a process, with a real worker: pictures, calls, sweeps, a restart."""

import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from tests.cli.liveserver import PROGRAM, LiveServer, live_server
from tests.server.documents_of_tests import number, shipped

API = "/api/v1"


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, path: str, body: Any = None, method: str | None = None, **headers: str) -> Answer:
    """One request; what is no bytes is sent as JSON."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    told = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = Request(url + path, data, told if data is not None else {**headers}, method=method)
    try:
        with urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(home, tmp_path_factory.mktemp("log") / "log.txt") as server:
        for name in ("txt2img", "img2img"):
            assert ask(server.url, f"{API}/workflows/{name}", {"document": shipped(name)}).status == 201
        ask(server.url, f"{API}/workflows/number", {"document": number()})
        yield server


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_document_becomes_a_picture(server: LiveServer) -> None:
    taken = ask(server.url, f"{API}/jobs", {"document": shipped("txt2img"), "inputs": {"steps": 2}, "label": "smoke"})
    job = ask(server.url, f"{taken.headers['Location']}?wait=60").json
    assert (job["state"], job["attempts"][0]["ending"], job["error"]) == ("succeeded", "succeeded", None)
    assert job["nodes"]["sample"]["status"] == "ran"
    (output,) = job["outputs"]["picture"]
    assert output["file"] == "txt2img_smoke_00001.png"
    sent = ask(server.url, f"{API}/outputs/{output['id']}")
    assert (sent.headers["Content-Type"], picture(sent.body).size) == ("image/png", (128, 128))
    assert json.loads(picture(sent.body).text["nodeflow"])["nodes"]["sample"]["inputs"]["steps"] == 2


def test_who_wants_the_picture_gets_the_picture(server: LiveServer) -> None:
    path = f"{API}/workflows/txt2img/run?wait=60"
    sent = ask(server.url, path, {"inputs": {"steps": 2}}, Accept="image/png")
    assert (sent.status, sent.headers["Content-Type"], picture(sent.body).size) == (200, "image/png", (128, 128))
    other = ask(server.url, path, {"inputs": {"steps": 2}}, Accept="image/webp")
    assert (other.status, other.json["code"]) == (406, "accept.impossible")
    assert ask(server.url, path, {"inputs": {"steps": 2}}).json["state"] == "succeeded"
    value = ask(server.url, f"{API}/workflows/number/run?wait=60", {"inputs": {"value": 4}}).json
    assert value["outputs"]["it"][0]["value"] == 4
    none = ask(server.url, f"{API}/workflows/number/run?wait=60", {}, Accept="image/png")
    assert none.json["code"] == "accept.impossible"


def test_a_photo_in_a_form_is_turned_upright_first(server: LiveServer, home: Path) -> None:
    photo, file = Image.open(Path(__file__).parents[2] / "workflows" / "img2img.png").convert("RGB"), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # it has to be turned to the right
    photo.rotate(90).save(file, "JPEG", exif=exif, quality=95)
    token = (home / "server.token").read_text().strip()
    body = b"".join(
        [
            b'--x\r\nContent-Disposition: form-data; name="drawing"; filename="IMG_1.JPG"\r\n\r\n' + file.getvalue(),
            b'\r\n--x\r\nContent-Disposition: form-data; name="steps"\r\n\r\n2',
            b"\r\n--x--\r\n",
        ]
    )
    headers = {"Content_Type": "multipart/form-data; boundary=x", "Authorization": f"Bearer {token}"}
    sent = ask(server.url, f"{API}/workflows/img2img/run?wait=60", body, **headers, Accept="image/*")
    assert (sent.status, picture(sent.body).format) == (200, "PNG")
    (upload,) = (home / "uploads" / "local" / "calls").iterdir()
    kept = Image.open(upload)
    assert 0x0112 not in kept.getexif()
    assert max(abs(a - b) for a, b in zip(kept.getpixel((8, 8)), photo.getpixel((8, 8)), strict=True)) < 30
    assert max(abs(a - b) for a, b in zip(kept.getpixel((64, 30)), photo.getpixel((64, 30)), strict=True)) < 60


def test_a_call_that_takes_longer_says_where_to_ask(server: LiveServer) -> None:
    answer = ask(
        server.url, f"{API}/workflows/txt2img/run?wait=0", {"inputs": {"steps": 500, "seed": 9}}, Accept="image/png"
    )
    assert (answer.status, answer.json["state"] in ("queued", "running")) == (202, True)
    cancelled = ask(server.url, f"{answer.headers['Location']}/cancel", b"", "POST").json
    done = ask(server.url, f"{API}/jobs/{cancelled['id']}?wait=60").json
    assert done["state"] == "cancelled"


def test_a_sweep_shares_what_its_points_have_in_common_and_ends_with_a_sheet(server: LiveServer) -> None:
    asked = {"workflow": "txt2img", "over": {"steps": "1..2", "seed": [1, 2]}, "inputs": {"prompt": "a red apple"}}
    taken = ask(server.url, f"{API}/sweeps", asked, Idempotency_Key="sweep")
    assert (taken.status, taken.json["total"], taken.json["state"]) == (201, 4, "running")
    again = ask(server.url, f"{API}/sweeps", asked, Idempotency_Key="sweep")
    assert (again.status, again.json["id"]) == (200, taken.json["id"])
    sweep = until_ended(server.url, taken.headers["Location"])
    assert (sweep["state"], sweep["counts"]["succeeded"]) == ("succeeded", 4)
    assert [point["outputs"]["picture"][0]["file"] for point in sweep["points"]][:2] == [
        "txt2img_steps-1_seed-1_00001.png",
        "txt2img_steps-1_seed-2_00001.png",
    ]
    encoded = [ask(server.url, f"{API}/jobs/{point['job']}").json["nodes"]["positive"] for point in sweep["points"]]
    assert [each["status"] for each in encoded].count("ran") == 1
    (sheet,) = sweep["sheets"]
    assert picture(ask(server.url, f"{API}/outputs/{sheet['id']}").body).size[0] > 2 * 128


def test_what_would_run_is_told_without_running_it(server: LiveServer) -> None:
    found = ask(server.url, f"{API}/explain", {"document": shipped("txt2img"), "inputs": {"seed": 4321}}).json
    assert {node["node"]: node["state"] for node in found["nodes"]}["sample"] == "run"
    assert found["problems"] == []


def test_the_server_process_holds_no_torch(server: LiveServer) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "libpython" in maps or "python" in maps
    assert "libtorch" not in maps


def test_a_second_server_of_the_same_home_is_refused(server: LiveServer, home: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "serve", "--port", "0"],
        env={"NODEFLOW_HOME": str(home), "PATH": "/usr/bin"},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 2
    assert str(server.process.pid) in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, "serve", "--port", port],
            env={"NODEFLOW_HOME": str(tmp_path), "PATH": "/usr/bin"},
            capture_output=True,
            check=False,
            timeout=30,
        )
    assert ended.returncode == 2
    assert f"127.0.0.1:{port}: something listens there already; choose another with --port" in ended.stderr.decode()


def test_it_lives_before_it_is_ready_and_remembers_what_it_took(tmp_path: Path) -> None:
    first = LiveServer(tmp_path, tmp_path / "log.txt", "--start-paused")
    assert ask(first.url, "/healthz").json["status"] == "ok"  # at once: nothing was waited for
    first.wait_until_ready()
    taken = [ask(first.url, f"{API}/jobs", {"document": number(n)}).json["id"] for n in range(3)]
    assert first.stop() == 0
    second = LiveServer(tmp_path, tmp_path / "log.txt")
    second.wait_until_ready()
    states = [ask(second.url, f"{API}/jobs/{job}?wait=60").json["state"] for job in taken]
    assert states == ["succeeded"] * 3
    assert second.stop() == 0
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def until_ended(url: str, path: str) -> Any:
    deadline = time.monotonic() + 60
    while (found := ask(url, path).json)["state"] == "running":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found
