"""The real ``nodeflow serve``, as a process with a home and a port of its own."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.serving.asking import Asking, Lost

PACK = Path(__file__).parent / "labour"
_PATIENCE = 60.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Served:
    """A server that may be started, killed and started again over the same home.

    Attributes:
        folder: Holds the home, the log and the book of the pack ``labour``.
        config: Further lines of the settings file.
        program: What to start.
    """

    folder: Path
    workers: str = "cpu*2"
    config: Sequence[str] = ()
    program: Sequence[str] = (sys.executable, "-m", "nodeflow.cli.main")
    port: int = field(default_factory=free_port)
    begun: float = 0.0
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        shutil.copytree(PACK, self.home / "packs" / "labour", ignore=shutil.ignore_patterns("__pycache__"))
        lines = [*self.config, "[packs.labour]", f'book = "{self.book}"']
        (self.home / "config.toml").write_text("\n".join(lines) + "\n")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def book(self) -> Path:
        """Where each piece of work leaves a line when it is begun."""
        return self.folder / "book"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    @property
    def database(self) -> Path:
        return self.home / "server.db"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None, "it was started"
        return psutil.Process(self._process.pid)

    def start(self) -> None:
        """Starts the process; nothing is waited for."""
        command = [*self.program, "serve", f"--port={self.port}", f"--workers={self.workers}"]
        environment = {**os.environ, "NODEFLOW_HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        with self.log.open("ab") as log:
            self.begun = time.perf_counter()
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    async def answering(self, asking: Asking, path: str = "/healthz") -> float:
        """Seconds from the start until a path is answered with 200."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                with suppress(Lost):
                    if (await asking.get(path)).status == 200:
                        return time.perf_counter() - self.begun
                assert self.alive, f"the server has ended by itself: {self.last_words()}"
                await asyncio.sleep(0.01)

    async def working(self, asking: Asking) -> float:
        """Seconds from the start until a worker takes jobs."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                workers = (await asking.get("/api/v1/queue")).body["workers"]
                if any(worker["state"] in ("idle", "busy") for worker in workers):
                    return time.perf_counter() - self.begun
                await asyncio.sleep(0.02)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[psutil.Process]:
        """Its workers."""
        with suppress(psutil.Error):
            return self.process.children()
        return []

    def kill(self) -> None:
        """SIGKILL, for the server alone."""
        assert self._process is not None, "it was started"
        self._process.kill()
        self._process.wait()

    async def stop(self) -> int:
        """An orderly stop; the exit code."""
        assert self._process is not None, "it was started"
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, _PATIENCE)

    def end(self) -> None:
        """Whatever still runs, at the end of a test."""
        children = self.children()
        if self.alive:
            self.kill()
        for child in children:
            with suppress(psutil.Error):
                child.kill()

    def last_words(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-2000:]

    def faults(self) -> list[str]:
        """Lines of the log that tell of a fault of the server, or of a traceback."""
        marks = ('"level": "error"', '"level": "critical"', "Traceback (most recent call last)")
        return [
            line[:500] for line in self.log.read_text(errors="replace").splitlines() if any(m in line for m in marks)
        ]


async def gone(processes: Sequence[psutil.Process], seconds: float = 10.0) -> float:
    """Seconds until none of the processes is left; ``seconds`` when some are."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        if not any(_lives(process) for process in processes):
            return time.perf_counter() - begun
        await asyncio.sleep(0.01)
    return seconds


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
