"""A worker program that starts in a moment: its documents say what it is to do, ``{"do": [["steps", 3], …]}``.

It needs nothing but the standard library; what it says is held against the protocol by the server.
"""

import ctypes
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

OPTIONS = dict(each.removeprefix("--").split("=", 1) for each in sys.argv[1:] if "=" in each)
LENGTHS = struct.Struct(">II")


class StandIn:
    """Does what it is told, one job at a time; remembers the models that jobs name."""

    def __init__(self) -> None:
        self.stream = socket.socket(fileno=int(OPTIONS["fd"]))
        self.turn = threading.Lock()
        self.stop = threading.Event()
        self.job = ""
        self.models: list[str] = []
        self.silent = False

    def send(self, type: str, body: bytes = b"", **message: Any) -> None:
        head = json.dumps({"type": type, **message}).encode()
        with self.turn:
            self.stream.sendall(LENGTHS.pack(len(head), len(body)) + head + body)

    def beat(self) -> None:
        while not self.silent:
            self.send("beat", models=self.models, memory=len(self.models))
            time.sleep(0.1)

    def listen(self) -> None:
        stream = self.stream.makefile("rb")
        while len(lengths := stream.read(LENGTHS.size)) == LENGTHS.size:
            head, body = LENGTHS.unpack(lengths)
            self.take(json.loads(stream.read(head)), stream.read(body))
        os._exit(3)

    def take(self, message: dict[str, Any], body: bytes) -> None:
        match message["type"]:
            case "run":
                self.stop.clear()
                self.job = message["job"]
                threading.Thread(target=self.run, args=(message, json.loads(body)), daemon=True).start()
            case "cancel":
                if message["job"] == self.job:
                    self.stop.set()
            case "stop":
                self.stop.set()
                threading.Thread(target=self.leave, daemon=True).start()
            case "explain" if body == b"never":
                pass
            case asked:
                self.send("answer", ask=message["ask"], value={"pid": os.getpid(), "asked": asked})

    def leave(self) -> None:
        while self.job:
            time.sleep(0.005)
        os._exit(0)

    def run(self, run: dict[str, Any], document: dict[str, Any]) -> None:
        for what, value in document.get("do", []):
            if self.stop.is_set() and what != "stubborn":
                break
            getattr(self, f"do_{what}")(run, value)
        self.models += [model for model in document.get("models", []) if model not in self.models]
        files = [self.written(run, name) for name in document.get("files", [])]
        report = {
            "status": "cancelled" if self.stop.is_set() else "ok",
            "exit_code": 0,
            "outputs": {"pid": {"type": "int", "value": os.getpid(), "paths": []}},
            "saved": {"save": [file["path"] for file in files]} if files else {},
        }
        job, self.job = self.job, ""
        self.send("done", job=job, attempt=run["attempt"], report=report, files=files, models=self.models)

    def written(self, run: dict[str, Any], name: str) -> dict[str, Any]:
        folder = Path(run["output_dir"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(run["job"])
        return {"path": name, "media_type": "text/plain", "bytes": len(run["job"]), "sha256": "0" * 64}

    def tell(self, run: dict[str, Any], kind: str, **data: Any) -> None:
        event = {"kind": kind, "data": data, "at": time.time()}
        self.send("event", job=run["job"], attempt=run["attempt"], events=[event])

    def do_steps(self, run: dict[str, Any], count: int) -> None:
        self.tell(run, "node.started", node="sampler")
        for step in range(1, count + 1):
            if self.stop.wait(0.02):
                return
            self.tell(run, "node.progress", node="sampler", step=step, total=count)
            if run["previews"]:
                self.send("preview", b"\xff\xd8", job=run["job"], node="sampler", step=step, total=count)

    def do_sleep(self, run: dict[str, Any], seconds: float) -> None:
        self.stop.wait(seconds)

    def do_stubborn(self, run: dict[str, Any], seconds: float) -> None:
        """Hears of no cancel."""
        self.tell(run, "node.started", node="stubborn")
        time.sleep(seconds)

    def do_exit(self, run: dict[str, Any], code: int) -> None:
        os._exit(code)

    def do_signal(self, run: dict[str, Any], number: int) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    def do_segfault(self, run: dict[str, Any], _: int) -> None:
        ctypes.string_at(0)

    def do_once(self, run: dict[str, Any], mark: str) -> None:
        """Dies the first time."""
        if not Path(mark).exists():
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(5)

    def do_silence(self, run: dict[str, Any], _: int) -> None:
        self.silent = True
        time.sleep(60)

    def do_babble(self, run: dict[str, Any], _: int) -> None:
        with self.turn:
            self.stream.sendall(LENGTHS.pack(3, 0) + b"{no")

    def do_nonsense(self, run: dict[str, Any], count: int) -> None:
        for _ in range(count):
            self.tell(run, "node.started", nobody="knows")

    def do_print(self, run: dict[str, Any], text: str) -> None:
        print(text, flush=True)


def main() -> None:
    worker = StandIn()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=worker.beat, daemon=True).start()
    found = {"device": OPTIONS["device"]}
    if found["device"] == "auto":  # as if there were three
        found = {"device": "cuda:0", "devices": ["cuda:0", "cuda:1", "cuda:2"]}
    worker.send("ready", **found)
    worker.send("warm")
    worker.listen()


main()
