"""No name leads out of its folder: not in a URL, not in a form, not in a document, not through a link."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image, PngImagePlugin

from nodeflow.server.app import ROUTES
from tests.server.security.traversal import corpus
from tests.server.serving import API, served

NAMES = corpus()
CANARY = "canary-7f3a9d"
INSIDE = Path(__file__).with_name("inside_nodes.py")


def plant(folder):
    """What nobody may see, around and inside a home; gives the home."""
    home, outside = folder / "home", folder / "outside"
    for place in (
        home,
        outside,
        home / "secrets",
        home / "uploads" / "local",
        home / "input",
        home / "models" / "loras",
    ):
        place.mkdir(parents=True, exist_ok=True)
    info = PngImagePlugin.PngInfo()
    info.add_text("canary", CANARY)
    Image.new("RGB", (3, 3), (1, 2, 3)).save(outside / "secret.png", pnginfo=info)
    Image.new("RGB", (3, 3), (1, 2, 3)).save(home / "secret.png", pnginfo=info)
    for place in (outside / "secret.safetensors", outside / "secret.txt", home / "secrets" / "key", outside / "hosts"):
        place.write_text(CANARY)
    (home / "config.toml").write_text(f"# {CANARY}\n")
    (home / "models" / "loras" / "link.safetensors").symlink_to(outside / "secret.safetensors")
    for root in (home / "uploads" / "local", home / "input", home / "output"):
        root.mkdir(parents=True, exist_ok=True)
        (root / "link").symlink_to(outside)
        (root / "circle").symlink_to("circle")
        (root / "link.png").symlink_to(outside / "secret.png")
        (root / "up").symlink_to("..")
    return home


def state(folder):
    """Every file that is not the server's own bookkeeping, with its content."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    kept = {"server.db", "server.db-wal", "server.db-shm", "server.lock", "server.db.lock", "server.token"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.name not in kept and "uploads/local" not in str(path) and "/trash/" not in str(path)
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("traversal")


@pytest.fixture(scope="module")
def server(folder):
    with served(plant(folder)) as server:
        yield server


def requests_for(server, names, pattern, method, kind, body):
    """One request for each name, encoded as a client does it, and as an attacker may."""
    for number, name in enumerate(names):
        for safe in ("", "/%\\:;~$*")[: 1 + (number % 3 == 0)]:
            path = re.sub(
                r"\{[^}]+\}", lambda _, safe=safe, name=name: quote(name, safe=safe, errors="ignore") or "x", pattern
            )
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
            )
            if body:
                head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            yield name, (head + "\r\n").encode() + body


class Line:
    """One connection on which requests are sent many at a time."""

    def __init__(self, server):
        self._connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        self._data = b""

    def answers(self, requests):
        for start in range(0, len(requests), 40):
            batch = requests[start : start + 40]
            self._connection.sendall(b"".join(request for _, request in batch))
            for name, _ in batch:
                yield name, *self._answer()

    def _answer(self):
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        length = int(found[1]) if found else 0
        while len(self._data) < length:
            self._more()
        body, self._data = self._data[:length], self._data[length:]
        return int(head.split()[1]), head, body

    def _more(self):
        piece = self._connection.recv(2**20)
        assert piece, "the server closed the connection"
        self._data += piece

    def close(self):
        self._connection.close()


NAMED = [(route.method, route.path) for route in ROUTES if "{" in route.path and route.method != "HEAD"]
FILES = {path for _, path in NAMED if "/files/" in path or "/models/" in path}


@pytest.mark.parametrize(("method", "path"), NAMED)
def test_no_name_in_a_url_leads_out_of_its_folder(server, folder, method, path):
    before = state(folder)
    names = NAMES if path in FILES else NAMES[::24]
    kind, body = ("application/octet-stream", b"words") if "/files/" in path else ("application/json", b"{}")
    requests = list(
        requests_for(server, names, path, method, kind, body if method in ("PUT", "POST", "PATCH") else b"")
    )
    line = Line(server)
    try:
        for name, status, head, found in line.answers(requests):
            text = head + found
            assert CANARY.encode() not in text, (name, text)
            assert b"root:x:0" not in text, (name, text)
            assert server.token.encode() not in text, (name, text)
            assert str(folder).encode() not in found, f"{name!r} told where things are: {found!r}"
            assert status < 500, (name, text)
            assert b"\r\nx: y" not in head.lower(), (name, head)
    finally:
        line.close()
    assert state(folder) == before


def test_no_name_in_a_form_leads_out_of_its_folder(server, folder):
    before = state(folder)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for name in NAMES[::3]:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "ignore")
        head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="' + escaped + b'"\r\n\r\n'
        answer = server.ask("POST", f"{API}/files", head + b"words\r\n--b--\r\n", token=server.token, headers=headers)
        assert answer.status in (201, 400, 409, 415, 422), (name, answer)
    assert state(folder) == before
    landed = [path for path in (server.home.uploads).rglob("*") if path.is_file() and not path.is_symlink()]
    assert all(path.is_relative_to(server.home.uploads / "local") for path in landed)


def test_links_in_the_folder_of_uploads_are_neither_read_nor_written_through(server, folder):
    before = state(folder)
    for name in (
        "link.png",
        "link/secret.png",
        "link/secret.txt",
        "up/secret.png",
        "up/up/secret.png",
        "link",
        "circle",
        "circle/x.png",
    ):
        assert server.get(f"{API}/files/{name}").code == "file.unknown"
        assert server.get(f"{API}/files/{name}?thumbnail=64").code == "file.unknown"
        assert server.ask("DELETE", f"{API}/files/{name}").code == "file.unknown"
        for query in ("", "?replace=true"):
            refused = server.put(name, (folder / "outside" / "secret.png").read_bytes(), query)
            assert refused.code in ("request.invalid", "server.storage")
    assert "link.png" not in [file["name"] for file in server.get(f"{API}/files").json["files"]]
    assert state(folder) == before


@pytest.mark.parametrize("part", ["checking", "running"])
def test_no_string_in_a_document_leads_out_of_its_folder(tmp_path, part):
    """Every string input of every built-in node; the process tells every file that it opens, makes or lists."""
    home = plant(tmp_path)
    before = {path: content for path, content in state(tmp_path).items() if path.startswith("outside")}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NODEFLOW_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, str(INSIDE), part, str(home), "8"],
        capture_output=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["left"] == [], told["left"][:10]
    assert CANARY not in json.dumps(told["shown"])
    assert told["inputs"] > 80 if part == "checking" else told["inputs"] > 5
    assert told["strings"] > 8_000 if part == "checking" else told["strings"] > 1_400
    after = {path: content for path, content in state(tmp_path).items() if path.startswith("outside")}
    assert after == before
