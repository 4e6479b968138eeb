"""Ids are short, sort as they were made, and are never made twice."""

import threading
import time

from pydantic import TypeAdapter

from nodeflow.protocol.base import JobId
from nodeflow.protocol.ids import Ids, new_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def made_at(id: str) -> float:
    """Seconds since 1970, which the first ten letters tell."""
    number = 0
    for letter in id[:10]:
        number = number * 32 + ALPHABET.index(letter)
    return number / 1000


def test_an_id_is_what_the_protocol_asks_for_and_tells_its_moment() -> None:
    before = time.time()
    id = new_id()
    assert TypeAdapter(JobId).validate_python(id) == id
    assert before - 0.001 <= made_at(id) <= time.time()


def test_ids_grow_within_a_millisecond_and_when_the_clock_is_set_back() -> None:
    moments = iter([5.0, 5.0, 5.0, 4.0, 6.0, 5.999])
    make = Ids(lambda: next(moments))
    ids = [make() for _ in range(6)]
    assert ids == sorted(set(ids))
    assert [made_at(id) for id in ids] == [5.0, 5.0, 5.0, 5.0, 6.0, 6.0]


def test_no_two_threads_get_the_same() -> None:
    found: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine: mine.extend(new_id() for _ in range(500)), args=(mine,)) for mine in found
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in found)
    assert len({id for mine in found for id in mine}) == 2000
