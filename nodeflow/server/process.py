"""One worker process as the server sees it: a stream of messages, a log, and in the end the reason of its end."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel

from nodeflow.protocol.frames import Frame, Unpacker, pack

_PIECE: Final = 256 * 1024
_LONGEST_LINE: Final = 64 * 1024
_OOM_COUNTS: Final = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))

Log = Callable[[str], None]


class WorkerProcess:
    """A process that was started, and the stream to it."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Log) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._frames: list[Frame] = []
        self._unpacker = Unpacker()
        self._killed = ""
        self._memory_kills = _memory_kills()
        self._logging = asyncio.create_task(self._log(log), name=f"log of process {process.pid}")

    @classmethod
    async def start(cls, program: Sequence[str], threads: int | None, log: Log) -> Self:
        """Starts a worker.

        Args:
            program: What to start; the descriptor of its stream and our process id are put behind it.
            threads: Threads it shall compute with, unless the environment says it; None for as many as it likes.
            log: Takes each line that it writes.

        Raises:
            OSError: No process can be started.
        """
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *program,
                f"--fd={theirs.fileno()}",
                f"--server={os.getpid()}",
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                pass_fds=(theirs.fileno(),),
                env=_environment(threads),
                start_new_session=True,  # so that all that it may have started can be ended with it
                limit=_LONGEST_LINE,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer, log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: BaseModel, body: bytes = b"") -> None:
        """Sends a message, without waiting; one to a process that has ended is lost with it."""
        if not self._writer.is_closing():
            self._writer.write(pack(message, body))

    async def receive(self) -> Frame | None:
        """The next message; None when no more will come.

        Raises:
            BrokenStream: What it sent is no message.
        """
        while not self._frames:
            try:
                data = await self._reader.read(_PIECE)
            except OSError:
                return None
            if not data:
                return None
            self._frames = list(self._unpacker.feed(data))
            self._frames.reverse()
        return self._frames.pop()

    def kill(self, reason: str) -> None:
        """Ends it at once, with all that it has started; ``reason`` is why."""
        self._killed = self._killed or reason
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def ended(self, patience: float) -> str:
        """Waits until it has ended, and ends it when that takes longer than ``patience`` seconds; says how it did."""
        try:
            await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            self.kill(f"it did not end within {patience:g} s")
            await self._process.wait()
        self.kill("")  # what it may have started and left behind
        await self._close()
        return self._reason(self._process.returncode or 0)

    async def _close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        try:
            await asyncio.wait_for(asyncio.shield(self._logging), 1.0)
        except TimeoutError:  # something that it started has left the session and holds the pipe open
            self._logging.cancel()
            await asyncio.gather(self._logging, return_exceptions=True)

    def _reason(self, code: int) -> str:
        if self._killed:
            return self._killed
        if code == -signal.SIGKILL and _memory_kills() > self._memory_kills:
            return "the system killed it because memory ran out"
        if code < 0:
            return f"it was ended by the signal {_signal_name(-code)}"
        return f"it ended with exit code {code}"

    async def _log(self, log: Log) -> None:
        stream = self._process.stdout
        assert stream is not None, "a pipe was asked for"
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line that is longer than anybody reads; what follows is its rest
                log("(a line that is too long to be shown)")
                continue
            if not line:
                return
            log(line.decode("utf-8", "replace").rstrip())


def _environment(threads: int | None) -> dict[str, str]:
    own = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return own | os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": "1"}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _memory_kills() -> int:
    """How often the system has killed processes for lack of memory, as far as it tells."""
    found = 0
    for place in _OOM_COUNTS:
        with suppress(OSError, ValueError):
            lines = (line.split() for line in place.read_text().splitlines())
            found += sum(int(words[1]) for words in lines if len(words) == 2 and words[0] == "oom_kill")
    return found
