"""What clients that never read cost the jobs of a server, and its memory.

    python tests/benchmarks/server_stalled_clients.py [CLIENTS [ROUNDS]]

A server with one worker runs the same small text-to-image job with previews again and again, with another seed each
time; in every other round so many WebSockets are open that asked for everything and read nothing. The time of a job is
that of its attempt. Printed are medians, their ratio, the processor time that the server process took per job, and what
its memory grew by.
"""

import base64
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORKFLOW = Path(__file__).parents[2] / "workflows" / "txt2img.json"
STARTED_WITHIN, ENDED_WITHIN = 60.0, 120.0


class Server:
    """A server process of its own home, on a free port."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-m", "nodeflow.cli.main", "serve", "--port", "0", "--workers", "cpu"]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "NODEFLOW_HOME": str(home), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self._process.stdout.readline())
        assert found is not None
        self.port = int(found[1])

    def stop(self) -> int:
        """Ends it in order; its exit code."""
        self._process.send_signal(signal.SIGINT)
        with self._process:
            return self._process.wait(ENDED_WITHIN)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """One request; status and JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTED_WITHIN
        while self.ask("GET", "/readyz")[0] != 200:
            assert time.monotonic() < deadline, "the server did not become ready"
            time.sleep(0.1)

    def run(self, document: Mapping[str, Any]) -> float:
        """Seconds that the attempt of a job took."""
        status, job = self.ask("POST", "/api/v1/jobs", {"document": document, "previews": True})
        assert status == 201, job
        deadline = time.monotonic() + ENDED_WITHIN
        while True:
            _, info = self.ask("GET", f"/api/v1/jobs/{job['id']}")
            if info["state"] == "succeeded":
                (attempt,) = info["attempts"]
                return float(attempt["ended"] - attempt["started"])
            assert info["state"] in ("queued", "running"), info
            assert time.monotonic() < deadline, info
            time.sleep(0.05)

    @property
    def cpu(self) -> float:
        """Processor seconds of the server process, without its workers."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> int:
        """Its resident bytes."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stalled_client(port: int) -> socket.socket:
    """A WebSocket that asks for everything and will never read it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(16).startswith(b"HTTP/1.1 101")
    said = b'{"type":"everything"}'
    connection.sendall(bytes([0x81, 0x80 | len(said)]) + bytes(4) + said)  # masked with zeros
    return connection


@contextmanager
def stalled_clients(port: int, count: int) -> Iterator[None]:
    clients = [stalled_client(port) for _ in range(count)]
    try:
        yield
    finally:
        for client in clients:
            client.close()


def documents() -> Iterator[Mapping[str, Any]]:
    """The same work under ever new seeds, so that nothing of it is remembered."""
    document = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    seed = 0
    while True:
        seed += 1
        for node in document["nodes"].values():
            if "seed" in node["inputs"]:
                node["inputs"]["seed"] = seed
        yield document


def main(clients: int = 100, rounds: int = 12) -> dict[str, float]:
    """What a job takes alone and beside stalled clients."""
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name))
        try:
            server.wait_until_ready()
            work = documents()
            for _ in range(min(3, rounds)):
                server.run(next(work))
            with stalled_clients(server.port, clients):
                server.run(next(work))
            before = server.memory
            alone, beside, cpu_alone, cpu_beside = [], [], 0.0, 0.0
            for _ in range(rounds):
                start = server.cpu
                alone.append(server.run(next(work)))
                cpu_alone += server.cpu - start
                with stalled_clients(server.port, clients):
                    start = server.cpu
                    beside.append(server.run(next(work)))
                    cpu_beside += server.cpu - start
            grown = server.memory - before
        finally:
            code = server.stop()
    assert code == 0, code
    return {
        "clients": clients,
        "job alone, s": statistics.median(alone),
        "job beside them, s": statistics.median(beside),
        "ratio": statistics.median(beside) / statistics.median(alone),
        "ratio of the least": min(beside) / min(alone),
        "server CPU per job alone, s": cpu_alone / rounds,
        "server CPU per job beside them, s": cpu_beside / rounds,
        "memory grown by, MB": grown / 1e6,
    }


if __name__ == "__main__":
    print(json.dumps({key: round(value, 4) for key, value in main(*map(int, sys.argv[1:])).items()}, indent=1))
