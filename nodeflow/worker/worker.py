"""A worker at work: one thread runs jobs, others listen to the server, answer it, and tell that the worker lives."""

import importlib
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from time import sleep
from typing import Final, TypeAlias

from nodeflow.protocol.work import (
    TO_WORKER,
    Beat,
    Cancel,
    Explain,
    Happened,
    Preview,
    Prewarm,
    Ready,
    Run,
    Sheet,
    Stop,
    Warm,
)
from nodeflow.session.session import Session
from nodeflow.worker.carrying import Wish, carry_out
from nodeflow.worker.channel import Channel
from nodeflow.worker.questions import answer

_LOG = logging.getLogger(__name__)
BEAT_SECONDS: Final = 1.0

_Job: TypeAlias = tuple[Run, bytes, Wish]
_Question: TypeAlias = tuple[Explain | Sheet | Prewarm, bytes]


class Worker:
    """Runs what its server sends, one job at a time.

    Args:
        session: Keeps models and results between jobs.
        channel: To the server.
        idle_release: Seconds without a job after which everything in memory is let go; None for never.
    """

    def __init__(self, session: Session, channel: Channel, idle_release: float | None = None) -> None:
        self._session = session
        self._channel = channel
        self._idle_release = idle_release
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._questions: SimpleQueue[_Question] = SimpleQueue()
        self._chores: SimpleQueue[_Question] = SimpleQueue()
        self._wish = Wish("")

    def work(self, warm: Callable[[], None]) -> None:
        """Works until the server says that it is enough.

        Args:
            warm: Makes ready what the first job would wait for.
        """
        aside: dict[str, Callable[[], None]] = {
            "listen": self._listen,
            "questions": partial(self._answer, self._questions),
            "chores": partial(self._answer, self._chores),
            "beats": self._beat,
        }
        for name, target in aside.items():
            Thread(target=target, name=f"nodeflow-{name}", daemon=True).start()
        environment = self._session.environment
        devices = _devices() if environment.device != "cpu" else ()
        self._channel.send(Ready(device=environment.device, devices=devices))
        warm()
        self._channel.send(Warm())  # from now on a job that is lost with this worker was at work
        while (job := self._next()) is not None:
            run, document, wish = job
            last = carry_out(self._session, run, document, wish, self._send)
            self._wish = Wish("")  # before the end is told: what comes after it is the next job
            self._channel.send(*last)

    def _next(self) -> _Job | None:
        """The next job; None when there will be none."""
        try:
            return self._jobs.get(timeout=self._idle_release)
        except Empty:
            self._session.release()
            self._channel.send(self._alive())
            return self._jobs.get()

    def _send(self, message: Happened | Preview, body: bytes) -> None:
        self._channel.send(message, body=body)

    def _listen(self) -> None:
        for head, body in self._channel.frames():
            match TO_WORKER.validate_json(head):
                case Run() as run:
                    self._wish = Wish(run.job)
                    self._jobs.put((run, body, self._wish))
                case Cancel(job=job):
                    if self._wish.job == job:
                        self._wish.make()
                case Stop():
                    self._jobs.put(None)
                    self._wish.make()
                case Explain() as question:
                    self._questions.put((question, body))
                case chore:
                    self._chores.put((chore, body))

    def _answer(self, asked: SimpleQueue[_Question]) -> None:
        while True:
            question, body = asked.get()
            self._channel.send(answer(self._session, question, body))

    def _beat(self) -> None:
        while True:
            self._channel.send(self._alive())
            sleep(BEAT_SECONDS)

    def _alive(self) -> Beat:
        return Beat(memory=self._session.nbytes, models=self._session.models)


def warm_up() -> None:
    """Imports what nearly every job needs and what takes seconds."""
    for name in ("torch", "nodeflow_nodes"):
        with suppress(ImportError):
            importlib.import_module(name)


def _devices() -> tuple[str, ...]:
    import torch

    return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))


def leave(code: int) -> None:
    """Ends the process at once, whatever threads packs may have started."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
