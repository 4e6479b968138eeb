"""The store: changes by one connection in one thread, many of them to each sync of the disk; questions by another."""

import asyncio
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from nodeflow.storage.database.failures import StorageFailed, failure
from nodeflow.storage.database.opening import Opened, open_database

T = TypeVar("T")

_MOST_AT_ONCE: Final = 512


@dataclass(slots=True)
class _Task:
    """Something to carry out with a connection, and where its result goes."""

    work: Callable[[Connection], Any]
    waiting: "Future[Any] | asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop | None
    result: Any = None
    error: BaseException | None = field(default=None)

    def settle(self) -> None:
        if self.waiting.done():  # whoever asked no longer waits
            return
        if self.error is not None:
            self.waiting.set_exception(self.error)
        else:
            self.waiting.set_result(self.result)


_Tasks: TypeAlias = "queue.SimpleQueue[_Task | None]"
"""A line of tasks; None is its end."""


class Store:
    """Everything a server must not forget.

    ``write`` returns when its change is on the disk: the thread that writes takes all changes that wait, carries each
    out inside a savepoint of its own, commits them together, and then answers. So a change must do nothing but use
    its connection: when the disk refuses a batch, its changes are tried once more, one at a time.

    ``read`` sees all that was written before it, in one unchanging state, and never waits for a writer.
    """

    def __init__(self, opened: Opened) -> None:
        self.path = opened.path
        self._opened = opened
        self._changes: _Tasks = queue.SimpleQueue()
        self._questions: _Tasks = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = (
            threading.Thread(target=_serve, args=(self._changes, _MOST_AT_ONCE, self._write_all), daemon=True),
            threading.Thread(target=_serve, args=(self._questions, 1, self._read_all), daemon=True),
        )
        for thread in self._threads:
            thread.start()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the file, or makes it.

        Raises:
            UsageError: Another process has it open, it is damaged, or it was made by a newer nodeflow.
        """
        return cls(open_database(path))

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Carries out a change; it is on the disk when this returns.

        Raises:
            StorageFailed: The disk did not take it; nothing was kept.
        """
        return await self._ask(self._changes, change)

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Answers a question."""
        return await self._ask(self._questions, question)

    def write_now(self, change: Callable[[Connection], T]) -> T:
        """``write`` for callers without an event loop."""
        return self._ask_now(self._changes, change)

    def read_now(self, question: Callable[[Connection], T]) -> T:
        """``read`` for callers without an event loop."""
        return self._ask_now(self._questions, question)

    async def aclose(self) -> None:
        """Finishes what waits, then closes the file."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """``aclose`` for callers without an event loop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._changes.put(None)
            self._questions.put(None)
        for thread in self._threads:
            thread.join()
        self._opened.closing.close()

    async def _ask(self, line: _Tasks, work: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(line, _Task(work, future, loop))
        return await future

    def _ask_now(self, line: _Tasks, work: Callable[[Connection], T]) -> T:
        future: Future[T] = Future()
        self._put(line, _Task(work, future, None))
        return future.result()

    def _put(self, line: _Tasks, task: _Task) -> None:
        with self._lock:
            if self._closed:
                raise StorageFailed(f"{self.path}: the server is stopping → try again when it is back")
            line.put(task)

    def _write_all(self, batch: Sequence[_Task]) -> None:
        connection = self._opened.writer
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for task in batch:
                self._change(connection, task)
            connection.commit()
        except (DBAPIError, sqlite3.Error, _Undone) as error:
            _roll_back(connection)
            if len(batch) > 1:
                for task in batch:
                    self._write_all([task])
            else:
                batch[0].error = self._failed(error)

    def _change(self, connection: Connection, task: _Task) -> None:
        """Carries out one change, or leaves no trace of it."""
        driver = _driver(connection)
        task.error = None
        driver.execute("SAVEPOINT change")
        try:
            task.result = task.work(connection)
        except BaseException as error:  # whatever it is, it is the answer to this one change
            task.error = error
            if not driver.in_transaction:  # the database has undone the changes before it, too
                raise _Undone(error) from error
            if isinstance(error, DBAPIError | sqlite3.Error):
                task.error = failure(self.path, error) or error
            driver.execute("ROLLBACK TO change")
        driver.execute("RELEASE change")

    def _read_all(self, batch: Sequence[_Task]) -> None:
        connection = self._opened.reader
        for task in batch:
            try:
                connection.exec_driver_sql("BEGIN")
                task.result = task.work(connection)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer to this one question
                task.error = self._failed(error)
            finally:
                _roll_back(connection)

    def _failed(self, error: BaseException) -> BaseException:
        cause = error.cause if isinstance(error, _Undone) else error
        if isinstance(cause, DBAPIError | sqlite3.Error):
            return failure(self.path, cause) or cause
        return cause


class _Undone(Exception):
    """The database took back the whole transaction because of one change."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(str(cause))


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def _roll_back(connection: Connection) -> None:
    connection.rollback()
    _driver(connection).rollback()  # a commit that failed has ended SQLAlchemy's transaction, and perhaps not SQLite's


def _serve(line: _Tasks, most: int, carry_out: Callable[[Sequence[_Task]], None]) -> None:
    """Carries out what comes, until the line ends."""
    while batch := _take(line, most):
        try:
            carry_out(batch)
        except BaseException as error:  # noqa: BLE001 - nobody may wait for ever, whatever it is
            for task in batch:
                task.error = error
        _settle(batch)


def _take(line: _Tasks, most: int) -> list[_Task]:
    """All that waits, at least one; empty when the line has ended."""
    batch: list[_Task] = []
    task = line.get()
    while task is not None:
        batch.append(task)
        if len(batch) == most or line.empty():
            return batch
        task = line.get()
    if batch:
        line.put(None)
    return batch


def _settle(batch: Sequence[_Task]) -> None:
    """Hands the results over, with one call into each event loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Task]] = defaultdict(list)
    for task in batch:
        if task.loop is None:
            task.settle()
        else:
            by_loop[task.loop].append(task)
    for loop, tasks in by_loop.items():
        with suppress(RuntimeError):  # a loop that has ended: nobody waits there any more
            loop.call_soon_threadsafe(_settle_all, tasks)


def _settle_all(tasks: Sequence[_Task]) -> None:
    for task in tasks:
        task.settle()
