"""A store, a connection inside a transaction, and jobs to put into them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from nodeflow.protocol.ids import new_id
from nodeflow.storage.database.opening import open_database
from nodeflow.storage.database.records import NewJob
from nodeflow.storage.database.store import Store

MakeJob = Callable[..., NewJob]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store.open(path)
    yield store
    store.close()


@pytest.fixture
def c(path: Path) -> Iterator[Connection]:
    opened = open_database(path)
    opened.writer.exec_driver_sql("BEGIN IMMEDIATE")
    yield opened.writer
    opened.writer.rollback()
    opened.closing.close()


@pytest.fixture
def a_job() -> MakeJob:
    def make(**changes: Any) -> NewJob:
        return NewJob(**{"id": new_id(), "client": "ann", "document": b'{"nodes":{}}', "created": 1.0, **changes})

    return make
