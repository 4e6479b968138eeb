"""A worker program without torch: its documents say what it is to do, ``{"do": ["steps", 3], …}``."""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from nodeflow.protocol.frames import Frame, Unpacker, pack
from nodeflow.protocol.report import OutputReport, RunReport
from nodeflow.protocol.work import (
    TO_WORKER,
    Answer,
    Beat,
    Cancel,
    Done,
    File,
    Happened,
    Occurrence,
    Preview,
    Ready,
    Run,
    Stop,
)

OPTIONS = dict(each.removeprefix("--").split("=", 1) for each in sys.argv[1:] if "=" in each)


class StandIn:
    """Does what it is told, one job at a time; remembers the models that jobs name."""

    def __init__(self) -> None:
        self.stream = socket.socket(fileno=int(OPTIONS["fd"]))
        self.turn = threading.Lock()
        self.stop = threading.Event()
        self.job = ""
        self.models: list[str] = []
        self.silent = False

    def send(self, message: Any, body: bytes = b"") -> None:
        with self.turn:
            self.stream.sendall(pack(message, body))

    def beat(self) -> None:
        while not self.silent:
            self.send(Beat(job=self.job, models=tuple(self.models), memory=len(self.models)))
            time.sleep(0.1)

    def listen(self) -> None:
        unpacker = Unpacker()
        while data := self.stream.recv(65536):
            for frame in unpacker.feed(data):
                self.take(frame)
        os._exit(3)

    def take(self, frame: Frame) -> None:
        match TO_WORKER.validate_json(frame.head):
            case Run() as run:
                self.stop.clear()
                self.job = run.job
                threading.Thread(target=self.run, args=(run, json.loads(frame.body)), daemon=True).start()
            case Cancel(job=job):
                if job == self.job:
                    self.stop.set()
            case Stop():
                self.stop.set()
                threading.Thread(target=self.leave, daemon=True).start()
            case question:
                self.send(Answer(ask=question.ask, value={"pid": os.getpid(), "asked": question.type}))

    def leave(self) -> None:
        while self.job:
            time.sleep(0.005)
        os._exit(0)

    def run(self, run: Run, document: dict[str, Any]) -> None:
        status = "ok"
        for what, value in document.get("do", []):
            if self.stop.is_set() and what != "stubborn":
                break
            getattr(self, f"do_{what}")(run, value)
        if self.stop.is_set():
            status = "cancelled"
        for model in document.get("models", []):
            if model not in self.models:
                self.models.append(model)
        report = RunReport(
            status=status, exit_code=0, outputs={"pid": OutputReport(type="int", value=os.getpid(), paths=[])}
        )
        files = []
        for name in document.get("files", []):
            path = Path(run.output_dir, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(run.job)
            files.append(File(path=name, media_type="text/plain", bytes=26, sha256="0" * 64))
        if files:
            report = report.model_copy(update={"saved": {"save": [each.path for each in files]}})
        job, self.job = self.job, ""
        self.send(Done(job=job, attempt=run.attempt, report=report, files=tuple(files), models=tuple(self.models)))

    def tell(self, run: Run, kind: str, **data: Any) -> None:
        event = Occurrence(kind=kind, data=data, at=time.time())
        self.send(Happened(job=run.job, attempt=run.attempt, events=(event,)))

    def do_steps(self, run: Run, count: int) -> None:
        self.tell(run, "node.started", node="sampler")
        for step in range(1, count + 1):
            if self.stop.wait(0.02):
                return
            self.tell(run, "node.progress", node="sampler", step=step, total=count)
            if run.previews:
                self.send(Preview(job=run.job, node="sampler", step=step, total=count), b"\xff\xd8")

    def do_sleep(self, run: Run, seconds: float) -> None:
        self.stop.wait(seconds)

    def do_stubborn(self, run: Run, seconds: float) -> None:
        self.tell(run, "node.started", node="stubborn")
        time.sleep(seconds)

    def do_exit(self, run: Run, code: int) -> None:
        os._exit(code)

    def do_signal(self, run: Run, number: int) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    def do_segfault(self, run: Run, _: int) -> None:
        ctypes.string_at(0)

    def do_once(self, run: Run, mark: str) -> None:
        """Dies the first time."""
        if not Path(mark).exists():
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(5)

    def do_silence(self, run: Run, _: int) -> None:
        self.silent = True
        time.sleep(60)

    def do_babble(self, run: Run, _: int) -> None:
        with self.turn:
            self.stream.sendall(b"\0\0\0\x03\0\0\0\0{no")

    def do_print(self, run: Run, text: str) -> None:
        print(text, flush=True)


def main() -> None:
    worker = StandIn()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=worker.beat, daemon=True).start()
    worker.send(Ready(device=OPTIONS["device"], dtype="fp32"))
    worker.listen()


main()
