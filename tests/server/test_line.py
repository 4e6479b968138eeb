"""The order in which queued jobs run."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.server.line import Line, Waiting

FREE = {"w": ()}


def taken(line: Line) -> list[str]:
    """All ids, as one worker takes them."""
    found = []
    while (turn := line.take(FREE)) is not None:
        found.append(turn.job.id)
    return found


def test_clients_take_turns_whoever_came_first() -> None:
    line = Line()
    for job in ("a1", "a2", "a3", "b1", "c1", "c2"):
        line.add(Waiting(job, job[0]))
    assert taken(line) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_within_a_client_priority_counts_then_the_dragged_order_then_age() -> None:
    line = Line()
    for job, priority, rank in (("old", 0, 2), ("new", 0, 3), ("first", 0, 1), ("urgent", 5, 9), ("twin", 0, 3)):
        line.add(Waiting(job, "a", priority, rank))
    assert taken(line) == ["urgent", "first", "old", "new", "twin"]


def test_who_was_served_least_recently_is_next() -> None:
    line = Line()
    line.add(Waiting("a1", "a"))
    line.add(Waiting("a2", "a"))
    assert line.take(FREE).job.id == "a1"
    line.add(Waiting("b1", "b"))
    assert taken(line) == ["b1", "a2"]


def test_without_a_worker_or_a_job_nothing_is_taken() -> None:
    line = Line()
    assert line.take(FREE) is None
    line.add(Waiting("a", "a"))
    assert line.take({}) is None
    assert len(line) == 1


def test_the_worker_that_holds_the_models_is_preferred_then_the_emptiest() -> None:
    free = {"one": ("x",), "two": ("x", "y"), "none": (), "other": ("p", "q")}
    line = Line()
    for models, worker in ((("x", "y"), "two"), (("x",), "one"), (("z",), "none"), (("q",), "other"), ((), "none")):
        line.add(Waiting("job", "a", models=models))
        assert line.take(free).worker == worker


def test_ranks_in_front_of_and_behind_all() -> None:
    line = Line()
    assert line.front < 0 < line.back
    for rank in (-3.0, 4.5):
        line.add(Waiting(str(rank), "a", rank=rank))
    assert line.front < -3.0
    assert line.back > 4.5


def test_a_job_that_is_added_again_has_its_new_place_only() -> None:
    line = Line()
    for rank, job in enumerate("abc"):
        line.add(Waiting(job, "x", rank=rank))
    line.add(Waiting("a", "x", rank=9))
    assert list(line) == ["b", "c", "a"]
    assert line.remove("c")
    assert not line.remove("c")
    assert taken(line) == ["b", "a"]
    assert "a" not in line


jobs = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-2, 2), st.integers(0, 3)), max_size=30)


@given(jobs, st.integers(0, 10))
@settings(max_examples=150, deadline=None)
def test_positions_say_how_many_jobs_are_taken_before(found: list[tuple[str, int, int]], served: int) -> None:
    line = Line()
    for number, (client, priority, rank) in enumerate(found):
        line.add(Waiting(f"{number:03}", client, priority, rank))
    for _ in range(served):
        line.take(FREE)
    assert line.position("no such job") is None
    order = list(line)
    assert sorted(order) == sorted(set(order))
    assert [line.position(job) for job in order] == list(range(len(order)))
    assert taken(line) == order


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 100), min_size=2), st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_others_have_a_new_client_waits_for_at_most_one_job_of_each(
    counts: dict[str, int], data: st.DataObject
) -> None:
    line = Line()
    for client, count in counts.items():
        for number in range(count):
            line.add(Waiting(f"{client}{number:03}", client))
    for _ in range(data.draw(st.integers(0, sum(counts.values())))):
        line.take(FREE)
    line.add(Waiting("one", "newcomer"))
    before = Counter(job[0] for job in taken(line)[: line.position("one") or 0])
    assert all(count <= 1 for count in before.values())


def of_one_client(count: int) -> Line:
    line = Line()
    for number in range(count):
        line.add(Waiting(f"j{number}", "a", rank=line.back))
    return line


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 5)), max_size=30))
@settings(max_examples=150, deadline=None)
def test_a_job_that_is_moved_stands_in_front_of_the_other_one_and_nothing_else_changes(moves: list[tuple[int, int]]):
    line, order = of_one_client(6), [f"j{number}" for number in range(6)]
    for moved, before in moves:
        assert line.move(f"j{moved}", f"j{before}" if before >= 0 else "")
        if moved != before:
            order.remove(f"j{moved}")
            order.insert(order.index(f"j{before}") if before >= 0 else len(order), f"j{moved}")
        assert list(line) == order


def test_a_job_that_is_moved_takes_over_the_priority_of_the_other_one() -> None:
    line = of_one_client(3)
    line.prioritise("j2", 5)
    assert list(line) == ["j2", "j0", "j1"]
    assert line.move("j1", "j2")
    assert list(line) == ["j1", "j2", "j0"]
    line.prioritise("gone", 5)
    assert list(line) == ["j1", "j2", "j0"]


def test_what_is_not_in_the_line_is_not_moved() -> None:
    line = of_one_client(2)
    assert not line.move("gone", "j0")
    assert not line.move("j0", "gone")
    assert list(line) == ["j0", "j1"]


def test_where_no_rank_is_left_nothing_is_moved() -> None:
    line = of_one_client(3)
    moves = iter(("j2", "j1") * 100)
    while line.move(moved := next(moves), {"j1": "j2", "j2": "j1"}[moved]):
        order = list(line)
    assert list(line) == order
