"""Everything that can be done with jobs, in one place to call it from; each function says what it does."""

from nodeflow.storage.database.adding import add, add_many, queued_count
from nodeflow.storage.database.listing import MOST, counts, info, page, queued
from nodeflow.storage.database.ordering import clear_queued, prioritise, remove, reorder
from nodeflow.storage.database.records import (
    Added,
    Begun,
    Cancelled,
    Ending,
    KeyReused,
    Moved,
    NewJob,
    NewOutput,
    Queued,
    QueueFull,
    Work,
)
from nodeflow.storage.database.running import begin, cancel, finish, give_back, lose, recover, work

__all__ = [
    "MOST",
    "Added",
    "Begun",
    "Cancelled",
    "Ending",
    "KeyReused",
    "Moved",
    "NewJob",
    "NewOutput",
    "QueueFull",
    "Queued",
    "Work",
    "add",
    "add_many",
    "begin",
    "cancel",
    "clear_queued",
    "counts",
    "finish",
    "give_back",
    "info",
    "lose",
    "page",
    "prioritise",
    "queued",
    "queued_count",
    "recover",
    "remove",
    "reorder",
    "work",
]
