"""Real workers, driven as a server drives them, but by hand."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from pydantic import BaseModel

from nodeflow.protocol.frames import Unpacker, pack
from nodeflow.protocol.work import FROM_WORKER, Beat, Cancel, Done, Happened, Ready, Refused, Run

PACK = Path(__file__).parent / "pack" / "trouble"
COMMAND = (sys.executable, "-P", "-m", "nodeflow.worker", f"--server={os.getpid()}")
Said: TypeAlias = tuple[Any, bytes]


class Driven:
    """A worker process and the server's end of its stream."""

    def __init__(self, home: Path, *options: str, cold: bool = True) -> None:
        self.home = home
        self.jobs = 0
        self._stream, theirs = socket.socketpair()
        self._stream.settimeout(60)
        self._unpacker = Unpacker()
        self._waiting: list[Said] = []
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        chosen = (*(options or ("--device=cpu",)), *(("--cold",) if cold else ()))
        self.process = subprocess.Popen(
            [*COMMAND, f"--fd={theirs.fileno()}", f"--home={home}", *chosen],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
        )
        theirs.close()

    def send(self, message: BaseModel, body: bytes = b"") -> None:
        self._stream.sendall(pack(message, body))

    def said(self) -> Said:
        """The next thing that it says."""
        while not self._waiting:
            data = self._stream.recv(65536)
            assert data, "the worker is gone"
            frames = self._unpacker.feed(data)
            self._waiting = [(FROM_WORKER.validate_json(frame.head), frame.body) for frame in frames]
        return self._waiting.pop(0)

    def until(self, kind: type, heard: Callable[[Any, bytes], None] = lambda *_: None) -> Any:
        """What it says up to a message of a kind."""
        while True:
            message, body = self.said()
            if isinstance(message, kind):
                return message
            heard(message, body)

    def begin(self, document: Any, **options: Any) -> str:
        """Gives it a job."""
        self.jobs += 1
        run = Run(**{"job": f"job-{self.jobs}", "attempt": 1, "output_dir": str(self.home / "output"), **options})
        self.send(run, document if isinstance(document, bytes) else json.dumps(document).encode())
        return run.job

    def run(self, document: Any, **options: Any) -> tuple[Done, list[Any]]:
        """Has it run a job; its last word, and its events."""
        job, events = self.begin(document, **options), []

        def hear(message: Any, _: bytes) -> None:
            if isinstance(message, Happened):
                assert message.job == job
                events.extend(message.events)

        return self.until(Done, hear), events

    def at(self, node: str) -> None:
        """Waits until it is at a node."""
        while True:
            message, _ = self.said()
            if isinstance(message, Happened) and any(event.data.get("node") == node for event in message.events):
                return

    def cancel(self, job: str) -> None:
        self.send(Cancel(job=job))

    def ready(self) -> Ready:
        return self.until(Ready)

    def refused(self) -> Refused:
        return self.until(Refused)

    def beat(self, true: Callable[[Beat], bool]) -> Beat:
        """The first beat that says something."""
        while True:
            beat = self.until(Beat)
            if true(beat):
                return beat

    def hang_up(self) -> None:
        self._stream.close()

    def ended(self) -> tuple[int, str]:
        """Its exit code, and what it printed."""
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, output.decode()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._stream.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the pack of these tests, shared by them, because finding out what a pack has takes a process."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(PACK, folder / "packs" / "trouble", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def hired(home: Path) -> Iterator[Callable[..., Driven]]:
    """Workers of a test's own."""
    found: list[Driven] = []

    def hire(*options: str, cold: bool = True) -> Driven:
        found.append(Driven(home, *options, cold=cold))
        return found[-1]

    yield hire
    for each in found:
        each.close()


@pytest.fixture(scope="session")
def shared(home: Path) -> Iterator[Driven]:
    """A worker for all tests that leave it as it was."""
    worker = Driven(home)
    worker.ready()
    yield worker
    worker.close()
