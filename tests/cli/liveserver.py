"""``nodeflow serve`` in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PROGRAM = "import sys; from nodeflow.cli.main import main; raise SystemExit(main(sys.argv[1:]))"


class LiveServer:
    """A server that was started by the shell.

    Attributes:
        url: Where it listens.
        log: What it writes.
    """

    def __init__(self, home: Path, log: Path, *words: str, port: int = 0) -> None:
        self.log = log
        env = {**os.environ, "NODEFLOW_HOME": str(home), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", PROGRAM, "serve", "--port", str(port), "--workers", "cpu", *words]
        with log.open("ab") as file:
            self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=file)
        assert self.process.stdout is not None
        said = self.process.stdout.readline().decode()
        found = re.search(r"http://\S+", said)
        assert found, f"{said!r} {log.read_text()}"
        self.url = found[0]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while not _answers(f"{self.url}/readyz"):
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """Ends it as a power failure would."""
        self.process.kill()
        self._end()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end; its exit code."""
        self.process.send_signal(number)
        return self._end()

    def _end(self) -> int:
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def live_server(home: Path, log: Path, *words: str) -> Iterator[LiveServer]:
    """A server that is ready; at the end it stops orderly, without a traceback in its log."""
    server = LiveServer(home, log, *words)
    try:
        server.wait_until_ready()
        yield server
    finally:
        code = server.stop()
    assert code == 0
    assert not [line for line in log.read_text().splitlines() if "Traceback (most" in line]


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (URLError, ConnectionError, TimeoutError):
        return False
