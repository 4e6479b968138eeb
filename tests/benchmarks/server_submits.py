"""Acknowledged submits of small jobs: how many a second, and how long each waits.

    python -m tests.benchmarks.server_submits [--clients 64] [--seconds 10]

A server in a process of its own; clients in another one, over real sockets, each of which waits for the answer to a job
before it sends the next. Every answer is a 201, so the job is on the disk. The queue is paused: no job runs
meanwhile.
"""

import argparse
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SERVER = """
import sys
from pathlib import Path
from nodeflow.server.serve import run_server
from nodeflow.server.settings import Limits, ServerSettings
from nodeflow.storage.home import Home
limits = Limits(queue=1_000_000)
run_server(ServerSettings(port=0, workers="cpu", start_paused=True, limits=limits), Home(Path(sys.argv[1])))
"""
DOCUMENT = {
    "nodeflow": 1,
    "nodes": {"n": {"type": "Number", "inputs": {"value": 1}}},
    "interface": {"outputs": {"it": {"from": "n.number"}}},
}


@dataclass
class Client:
    """One connection."""

    connection: socket.socket
    request: bytes
    sent: float = 0.0
    got: bytes = b""
    took: list[float] = field(default_factory=list)

    def send(self) -> None:
        self.sent, self.got = time.perf_counter(), b""
        self.connection.sendall(self.request)

    def hear(self) -> bool:
        """Whether the answer is whole."""
        self.got += self.connection.recv(65536)
        head, found, body = self.got.partition(b"\r\n\r\n")
        if not found:
            return False
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return False
        assert head.startswith(b"HTTP/1.1 201"), self.got
        self.took.append(time.perf_counter() - self.sent)
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, Path(home, "log").open("wb") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, home], stdout=subprocess.PIPE, stderr=log, env=environment
        )
        try:
            assert server.stdout is not None
            said = server.stdout.readline().decode()
            assert said, Path(log.name).read_text()
            measure(int(said.rpartition(":")[2]), server.pid, options.clients, options.seconds)
        finally:
            server.terminate()
            server.wait(30)
            server.stdout.close()


def seconds_of(process: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(port: int, process: int, clients: int, seconds: float) -> None:
    body = json.dumps({"document": DOCUMENT}).encode()
    head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    wait_until_it_takes_jobs(port, request)
    choose = selectors.DefaultSelector()
    everyone = [Client(socket.create_connection(("127.0.0.1", port)), request) for _ in range(clients)]
    for client in everyone:
        choose.register(client.connection, selectors.EVENT_READ, client)
        client.send()
    began, worked = time.perf_counter(), seconds_of(process)
    while time.perf_counter() - began < seconds:
        for key, _ in choose.select(1.0):
            if key.data.hear():
                key.data.send()
    took = sorted(each for client in everyone for each in client.took)
    elapsed = time.perf_counter() - began
    shares = {share: took[min(len(took) - 1, int(share * len(took)))] * 1000 for share in (0.5, 0.9, 0.99, 0.999)}
    said = ", ".join(f"p{share * 100:g} {milliseconds:.1f} ms" for share, milliseconds in shares.items())
    print(f"{len(took)} jobs of {clients} clients in {elapsed:.1f} s: {len(took) / elapsed:,.0f} a second; {said}")
    print(f"the server's processor time: {(seconds_of(process) - worked) / len(took) * 1e6:,.0f} µs for each job")


def wait_until_it_takes_jobs(port: int, request: bytes) -> None:
    for _ in range(200):
        client = Client(socket.create_connection(("127.0.0.1", port)), request)
        client.send()
        try:
            while not client.hear():
                continue
        except (AssertionError, ValueError, ConnectionError):
            time.sleep(0.05)
        else:
            return
        finally:
            client.connection.close()
    raise SystemExit("the server takes no jobs")


if __name__ == "__main__":
    main()
