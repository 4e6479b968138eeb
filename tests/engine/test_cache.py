"""The memory tier: bounded by bytes, dropping what saves least per byte."""

import random
from collections import OrderedDict
from collections.abc import Hashable, Mapping

from nodeflow.engine.cache import ENTRY_BYTES, Entry, MemoryCache
from nodeflow.engine.sizes import parts, total_size


class Block:
    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


class Lazy(Block):
    """Made in no time, and ready after its first use."""

    def __init__(self, nbytes: int, seconds: float) -> None:
        super().__init__(nbytes)
        self.ready_seconds = seconds


class Patched:
    """Shares the storage of its base."""

    def __init__(self, base: Block, own: int) -> None:
        self.base = base
        self.own = own

    @property
    def storages(self) -> Mapping[Hashable, int]:
        return {id(self.base): self.base.nbytes, id(self): self.own}


def entry(nbytes: int, seconds: float = 1.0, label: str = "T") -> Entry:
    return Entry((Block(nbytes),), seconds, seconds, label)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_was_put_is_found() -> None:
    cache = MemoryCache(10_000)
    one = entry(100)
    cache.put(key(1), one)
    assert cache.get(key(1)) is one
    assert cache.get(key(2)) is None
    assert key(1) in cache
    assert len(cache) == 1


def test_the_budget_is_never_passed() -> None:
    cache = MemoryCache(10_000)
    dice = random.Random(1)
    for number in range(500):
        cache.put(key(number), entry(dice.randrange(3000), dice.random()))
        cache.get(key(dice.randrange(number + 1)))
        assert cache.nbytes <= 10_000
    assert len(cache)


def test_a_value_larger_than_the_budget_is_not_kept_and_drives_nothing_out() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), entry(5000))
    cache.put(key(2), entry(20_000))
    assert key(1) in cache
    assert key(2) not in cache


def test_the_first_of_two_equal_results_stays() -> None:
    cache = MemoryCache(10_000)
    first = entry(10)
    cache.put(key(1), first)
    cache.put(key(1), entry(10))
    assert cache.get(key(1)) is first
    assert cache.nbytes == ENTRY_BYTES + 10


def test_cheap_and_large_goes_before_dear_and_small() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), entry(4000, seconds=0.01))
    cache.put(key(2), entry(1000, seconds=10.0))
    cache.put(key(3), entry(3000, seconds=5.0))
    cache.put(key(4), entry(4000, seconds=5.0))
    assert key(1) not in cache
    assert all(key(number) in cache for number in (2, 3, 4))


def test_use_makes_more_valuable() -> None:
    cache = MemoryCache(10_000)
    for number in range(3):
        cache.put(key(number), entry(2500))
    for _ in range(5):
        cache.get(key(0))
    cache.put(key(3), entry(2500))
    assert key(0) in cache


def test_what_was_once_much_used_makes_room_for_what_is_used_now() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(0), entry(2500))
    for _ in range(1000):
        cache.get(key(0))
    for number in range(1, 60):
        cache.put(key(number), entry(2500))
        cache.get(key(number))
    assert key(0) not in cache


def test_what_nobody_asks_for_again_does_not_drive_out_what_is_used() -> None:
    cache = MemoryCache(100_000)
    models = {1: 0, 2: 0}
    for turn in range(1000):
        model = 1 + turn % 2
        if cache.get(key(model)) is None:
            models[model] += 1
            cache.put(key(model), entry(40_000, 0.04, "Load"))
        cache.put(key(100 + turn), entry(1000, 0.01, "Decode"))  # ten times as many seconds per byte
    assert models == {1: 1, 2: 1}


def test_of_three_models_that_alternate_where_one_fits_one_stays() -> None:
    cache = MemoryCache(50_000)
    found = 0
    for turn in range(300):
        model = key(turn % 3)
        found += cache.get(model) is not None
        cache.put(model, entry(40_000, 0.04, "Load"))
        cache.put(key(100 + turn), entry(1000, 0.01, "Decode"))
    assert found == 99


def test_what_says_that_it_is_not_ready_yet_is_worth_the_work_that_is_put_off() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), Entry((Lazy(4000, 0.5),), 0.001, 0.001, "Load"))
    cache.put(key(2), Entry(([Lazy(2000, 0.2), Lazy(2000, 0.2)],), 0.001, 0.001, "Load more"))
    cache.put(key(3), entry(4000, seconds=0.3))
    cache.put(key(4), entry(500, seconds=0.3))
    assert [key(number) in cache for number in (1, 2, 3, 4)] == [True, True, False, True]


def test_the_longer_of_what_was_measured_and_what_is_put_off_counts() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), Entry((Lazy(4000, 0.001),), 9.0, 9.0, "Load"))
    cache.put(key(2), entry(4000, seconds=1.0))
    cache.put(key(3), entry(4000, seconds=5.0))
    assert [key(number) in cache for number in (1, 2, 3)] == [True, False, True]


def test_storage_that_values_share_is_counted_once() -> None:
    cache = MemoryCache(10_000)
    base = Block(6000)
    for number in range(3):
        cache.put(key(number), Entry((Patched(base, 10),), 1.0, 1.0, "T"))
    assert cache.nbytes == 3 * ENTRY_BYTES + 6000 + 3 * 10


def test_shared_storage_is_given_back_with_its_last_holder() -> None:
    cache = MemoryCache(10_000)
    base = Block(6000)
    cache.put(key(1), Entry((Patched(base, 10),), 1.0, 1.0, "T"))
    cache.put(key(2), Entry((Patched(base, 20),), 2.0, 1.0, "T"))
    cache.put(key(3), entry(9000, seconds=1000.0))
    assert key(3) in cache
    assert len(cache) == 1
    assert cache.nbytes == ENTRY_BYTES + 9000


def test_dropping_one_holder_keeps_the_bytes_of_the_other() -> None:
    cache = MemoryCache(10_000)
    base = Block(6000)
    cache.put(key(1), Entry((Patched(base, 1000),), 0.001, 1.0, "T"))
    cache.put(key(2), Entry((Patched(base, 1000),), 50.0, 1.0, "T"))
    cache.put(key(3), entry(1500, seconds=50.0))
    assert key(1) not in cache
    assert cache.nbytes == 2 * ENTRY_BYTES + 6000 + 1000 + 1500


def test_clearing_says_how_much_was_freed() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), entry(700))
    assert cache.clear() == ENTRY_BYTES + 700
    assert cache.nbytes == 0
    assert cache.get(key(1)) is None
    cache.put(key(1), entry(700))
    assert cache.nbytes == ENTRY_BYTES + 700


def test_the_largest_are_named() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), entry(10, label="small"))
    cache.put(key(2), entry(1000, label="large"))
    cache.put(key(3), entry(100, label="middle"))
    assert [name for name, _ in cache.largest(2)] == ["large", "middle"]


def test_numbers_and_texts_cost_little_but_not_nothing() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), Entry((1, 2.0, "text", None, True), 1.0, 1.0, "T"))
    assert ENTRY_BYTES < cache.nbytes < 2 * ENTRY_BYTES


def test_what_a_node_showed_counts_too() -> None:
    cache = MemoryCache(10_000)
    cache.put(key(1), Entry((1,), 1.0, 1.0, "T", shown=(Block(5000),)))
    assert cache.nbytes > 5000


def test_one_result_can_be_let_go_before_its_turn() -> None:
    cache = MemoryCache(10_000)
    for number in range(3):
        cache.put(key(number), entry(4000, number + 1.0))
    assert key(0) not in cache, "the queue of what is dropped next has been made"
    cache.drop(key(1))
    cache.drop(key(1))
    held = cache.nbytes
    cache.put(key(3), entry(4000, 3.0))
    cache.put(key(4), entry(4000, 9.0))
    assert [key(number) in cache for number in range(5)] == [False, False, False, True, True]
    assert cache.nbytes == 2 * held


def test_one_at_a_time_has_the_right_to_compute() -> None:
    cache = MemoryCache(10_000)
    woken: list[str] = []
    assert cache.claim(key(1))
    assert not cache.claim(key(1))
    cache.wait(key(1), lambda: woken.append("first"))
    cache.wait(key(1), lambda: woken.append("second"))
    assert woken == []
    cache.disclaim(key(1))
    assert woken == ["first", "second"]
    cache.wait(key(1), lambda: woken.append("at once"))
    assert woken[-1] == "at once"
    assert cache.claim(key(1))


def test_sizes_of_containers_count_each_piece_once() -> None:
    block = Block(1000)
    assert total_size([block, block, (block,), {"again": block}]) == 1000
    assert total_size(Block(5)) == 5
    assert total_size("text") > 4
    assert dict(parts([block])) == {id(block): 1000}


def test_a_strange_nbytes_is_not_believed() -> None:
    class Strange:
        nbytes = "many"

    assert total_size(Strange()) > 0


def test_dropping_by_value_saves_far_more_than_dropping_the_longest_unused() -> None:
    """A Zipf trace over results of mixed cost and size (facts: E8)."""
    dice = random.Random(3)
    shapes = [(dice.choice((2_000, 20_000, 200_000)), dice.choice((0.01, 0.1, 1.0, 10.0))) for _ in range(400)]
    trace = [min(int(dice.paretovariate(0.6)), 400) - 1 for _ in range(20_000)]
    budget = 4_000_000

    cache = MemoryCache(budget)
    by_value = 0.0
    for item in trace:
        if cache.get(key(item)) is None:
            by_value += shapes[item][1]
            cache.put(key(item), entry(*shapes[item]))

    recent: OrderedDict[int, int] = OrderedDict()
    by_age = 0.0
    for item in trace:
        if item in recent:
            recent.move_to_end(item)
            continue
        by_age += shapes[item][1]
        recent[item] = shapes[item][0]
        while sum(recent.values()) > budget:
            recent.popitem(last=False)

    everything = sum(shapes[item][1] for item in trace)
    assert by_age / by_value > 1.3
    assert (everything - by_value) > (everything - by_age)
