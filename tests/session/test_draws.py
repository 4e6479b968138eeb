"""Documents with draws: drawn once at submission, literal everywhere after it, counted so that nothing repeats."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pytest

from nodeflow.api import Field, InputError, Seed, node
from nodeflow.core.errors import InvalidDocument, UsageError
from nodeflow.core.unfit import Unfit
from nodeflow.core.workflow import Document
from nodeflow.session import Session
from nodeflow.session.drawing import SubmissionSource, natural
from nodeflow.storage.draws import DrawState, DrawStates
from nodeflow.storage.inputs import InputFiles

RANDOM = {"draw": "random"}
TAKE = {"draw": "counter", "name": "take", "start": 1}


@node("draws.Say")
def say(text: str = "", seed: Seed = 0, size: Annotated[int, Field(ge=0, le=9)] = 0) -> str:
    """Put things together."""
    return f"{text}{seed}{size}"


@say.check
def _never_seven(size: int) -> None:
    if size == 7:
        raise InputError("size", "must not be seven")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", device="cpu") as session:
        session.workplace.registry.add_node(say)
        yield session


def document(say: Mapping[str, Any], also: Mapping[str, Any] | None = None, **interface: Any) -> Document:
    nodes = {"say": say} if also is None else {"say": say, "also": also}
    written = {id: {"type": "draws.Say", "version": 1, "inputs": values} for id, values in nodes.items()}
    results = {"outputs": {id: {"from": f"{id}.text"} for id in nodes}}
    return Document.from_tree({"nodeflow": 1, "nodes": written, "interface": {**results, **interface}})


def said(session: Session, inputs: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Any:
    return session.run(document(inputs), given, write=())["say"].value


def test_a_random_seed_is_another_one_at_each_run_and_a_literal_in_what_ran(session: Session) -> None:
    first = session.run(document({"seed": RANDOM}), write=())
    second = session.run(document({"seed": RANDOM}), write=())

    assert first["say"].value != second["say"].value
    seed = json.loads(first.document)["nodes"]["say"]["inputs"]["seed"]
    assert first.drawn == {"say.seed": seed}
    assert first["say"].value == f"{seed}0"
    assert session.run(first.document, write=())["say"].value == first["say"].value


def test_a_counter_goes_on_from_run_to_run_and_from_session_to_session(session: Session, tmp_path: Path) -> None:
    assert [said(session, {"size": TAKE}) for _ in range(3)] == ["01", "02", "03"]
    with Session(home=tmp_path / "home", device="cpu") as another:
        another.workplace.registry.add_node(say)
        assert said(another, {"size": TAKE}) == "04"


def test_draws_of_one_counter_give_one_number_at_each_submission(session: Session) -> None:
    found = session.run(document({"seed": TAKE}, {"size": TAKE}), write=())

    assert [found["say"].value, found["also"].value] == ["10", "01"]
    assert found.drawn == {"say.seed": 1, "also.size": 1}


def test_runs_at_the_same_time_get_different_numbers(session: Session) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: said(session, {"seed": TAKE}), range(8)))

    assert sorted(map(int, found)) == [10 * number for number in range(1, 9)]


def test_a_document_that_does_not_run_counts_nothing(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    faulty = document({"size": TAKE, "text": 5})
    seven = {"draw": "choice", "of": [7]}
    with pytest.raises(InvalidDocument, match="a text"):
        session.run(faulty)
    with pytest.raises(InvalidDocument, match="must not be seven"):
        session.run(document({"seed": TAKE, "size": seven}))
    with Session(home=tmp_path / "home", output_dir=tmp_path / "file" / "out", device="cpu") as unwritable:
        unwritable.workplace.registry.add_node(say)
        with pytest.raises(UsageError, match="is a file"):
            unwritable.run(document({"size": TAKE}))
    session.check(document({"size": TAKE}))
    session.explain(document({"size": TAKE}))

    assert said(session, {"size": TAKE}) == "01"


def test_values_that_come_out_together_are_checked_before_anything_is_counted(session: Session) -> None:
    odd = {"draw": "counter", "name": "odd", "start": 5, "step": 2}

    assert said(session, {"size": odd}) == "05"
    for _ in range(2):
        with pytest.raises(InvalidDocument, match="must not be seven"):
            session.run(document({"size": odd}))


def test_a_counter_that_leaves_the_range_of_its_input_is_told_before_the_run(session: Session) -> None:
    nine = {"draw": "counter", "name": "nine", "start": 9}

    assert said(session, {"size": nine}) == "09"
    (problem,) = session.check(document({"size": nine}))

    assert "the draw counter may give 10: 10 is above the range" in str(problem)


def test_a_value_that_is_given_replaces_the_draw(session: Session) -> None:
    assert said(session, {"size": TAKE}, {"say.size": 8}) == "08"
    assert said(session, {"size": TAKE}) == "01"


def test_a_draw_that_is_given_is_made_once_for_all_that_it_feeds(session: Session) -> None:
    both = document({}, {}, inputs={"seed": {"to": ["say.seed", "also.seed"]}})

    for draw in (RANDOM, json.dumps(RANDOM)):
        found = session.run(both, {"seed": draw}, write=())

        assert found["say"].value == found["also"].value
        assert list(found.drawn) == ["seed"]
    text = session.run(both, {"say.text": json.dumps(RANDOM)}, write=())
    assert text["say"].value == '{"draw": "random"}00'
    assert text.drawn == {}


def test_a_draw_that_leaves_the_range_of_the_interface_is_refused_beforehand(session: Session) -> None:
    narrow = document({}, inputs={"size": {"to": ["say.size"], "range": {"le": 3}}})

    (problem,) = session.check(narrow, {"size": {"draw": "choice", "of": [1, 5]}})

    assert 'the draw may give 5: 5 is above the range of the interface input "size"' in str(problem)


def test_a_home_that_cannot_be_written_stops_counters_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "draws").touch()
    with Session(home=tmp_path / "home", output_dir=tmp_path / "out", device="cpu") as session:
        session.workplace.registry.add_node(say)
        assert said(session, {"text": {"draw": "text", "template": "{a|a}"}}) == "a00"
        with pytest.raises(UsageError, match=r"counters and next files cannot be kept in .*draws"):
            session.run(document({"size": TAKE}))


def test_explain_says_what_is_drawn_and_guesses_no_value(session: Session) -> None:
    drawn = document({"seed": RANDOM})
    session.run(drawn, write=())

    (found,) = session.explain(drawn)

    assert (found.state, found.reasons) == ("run", ("seed is drawn anew at each run",))


def test_files_are_taken_in_natural_order_and_from_the_beginning_again(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "input" / "frames"
    folder.mkdir(parents=True)
    draw = {"draw": "next", "folder": "frames", "pattern": "*.png"}
    (problem,) = session.check(document({"text": draw}))
    assert (problem.code, problem.input) == ("draw.empty", "text")
    for name in ("10.png", "2.png", "1.txt", ".3.png"):
        (folder / name).touch()

    taken = [said(session, {"text": draw})[:-2] for _ in range(3)]
    (folder / "3.png").touch()
    taken.append(said(session, {"text": draw})[:-2])

    assert taken == ["frames/2.png", "frames/10.png", "frames/2.png", "frames/3.png"]


def source(folder: Path, state: DrawState) -> SubmissionSource:
    return SubmissionSource(InputFiles((folder,)), lambda: state)


def test_the_input_folder_itself_has_a_next_file(tmp_path: Path) -> None:
    (tmp_path / "b.png").touch()
    (tmp_path / "sub").mkdir()

    assert source(tmp_path, DrawState()).next_file(".", "*") == "b.png"


def test_links_out_of_the_folder_are_never_taken(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").touch()
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")

    with pytest.raises(Unfit, match="has no file that matches"):
        source(tmp_path / "in", DrawState()).next_file(".", "*.png")


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)

    with pytest.raises(Unfit, match=r'the folder "\." cannot be read: Permission denied'):
        source(tmp_path, DrawState()).next_file(".", "*.png")


def test_a_file_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    state = DrawState()
    for name in ("a", "c"):
        (tmp_path / name).touch()
    taken = [source(tmp_path, state).next_file(".", "*")]
    (tmp_path / "a").unlink()
    (tmp_path / "b").touch()
    taken += [source(tmp_path, state).next_file(".", "*") for _ in range(2)]

    assert taken == ["a", "b", "c"]


def test_a_counter_ends_where_whole_numbers_do(tmp_path: Path) -> None:
    state = DrawState({"n": 2**53 - 1})

    with pytest.raises(Unfit, match='the counter "n" has come to its end'):
        source(tmp_path, state).count("n", 0, 1)
    assert state == DrawState({"n": 2**53 - 1})
    assert source(tmp_path, state).count("n", 0, -2) == 2**53 - 3


def test_one_submission_has_one_time() -> None:
    found = SubmissionSource(InputFiles(()), DrawState)

    assert found.now is found.now
    assert abs(found.now - datetime.now().astimezone()).total_seconds() < 60


def test_names_with_numbers_are_ordered_as_people_do() -> None:
    names = ["b", "a10", "A2", "a", "10", "9", "a2b3"]

    assert sorted(names, key=natural) == ["9", "10", "a", "A2", "a2b3", "a10", "b"]


def test_the_state_is_in_the_home(session: Session, tmp_path: Path) -> None:
    said(session, {"size": TAKE})

    assert DrawStates(tmp_path / "home" / "draws").read().counters == {"take": 1}
