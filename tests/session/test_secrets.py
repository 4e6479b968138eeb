"""Secrets through a whole session: from the home to the call, and into no file, message or event."""

from pathlib import Path
from typing import Annotated

import pytest
import torch

from nodeflow.api import Graph, InputError, Run, Secret, node, quiet
from nodeflow.core.errors import InvalidDocument, MissingFile, NodeFailed
from nodeflow.diffusion.types import Image
from nodeflow.session import Session

VALUE = "hunter-22-correct-horse"


@node("test.Painted")
def painted(key: Annotated[str, Secret()], *, run: Run = quiet) -> Image:
    """Let a service paint."""
    if key != VALUE:
        raise ValueError(f"refused: {key}")
    run.warn(f"the key {key} is old")
    return Image(torch.zeros(1, 2, 2, 3))


@node("test.Refused")
def refused(key: Annotated[str, Secret()]) -> Image:
    """Be refused by a service."""
    raise ValueError(f"https://x.org/?key={key}")


def graph(function: object, key: str) -> Graph:
    g = Graph()
    g.output("picture", g(function)(key))  # type: ignore[call-overload]
    return g


@pytest.fixture
def session(tmp_path: Path) -> Session:
    secrets = tmp_path / "home" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "PAINTER").write_text(VALUE + "\n")
    (secrets / "PAINTER").chmod(0o600)
    return Session(home=tmp_path / "home", output_dir=tmp_path / "out")


def test_a_secret_of_the_home_is_used_and_leaves_no_trace(session: Session, tmp_path: Path) -> None:
    events: list[object] = []
    result = session.run(graph(painted, "PAINTER"), on_event=events.append)
    assert result["picture"].path.is_file()
    assert result.warnings == (("painted", "the key *** is old"),)
    assert VALUE not in repr(events)
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "PAINTER"]
    assert kept
    assert not any(VALUE.encode() in path.read_bytes() for path in kept)
    assert b"PAINTER" in result.document


def test_a_failure_does_not_tell_it(session: Session) -> None:
    with pytest.raises(NodeFailed) as caught:
        session.run(graph(refused, "PAINTER"))
    assert caught.value.message == "ValueError: https://x.org/?key=***"
    assert VALUE not in (caught.value.traceback or VALUE)


def test_a_later_run_masks_what_an_earlier_one_was_given(session: Session) -> None:
    session.run(graph(painted, "PAINTER"))
    (_, message), *_ = session.run(graph(painted, "PAINTER")).warnings
    assert message == "the key *** is old"


def test_the_environment_goes_first(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_SECRET_PAINTER", "another")
    with pytest.raises(NodeFailed, match=r"refused: \*\*\*"):
        session.run(graph(painted, "PAINTER"))


def test_a_secret_that_is_missing_or_unsafe_is_found_before_anything_runs(session: Session, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"SCULPTOR is not there → set the environment variable .*secret\.missing"):
        session.run(graph(painted, "SCULPTOR"))
    path = tmp_path / "home" / "secrets" / "PAINTER"
    path.chmod(0o644)
    (problem,) = [problem for problem in session.check(graph(painted, "PAINTER")) if problem.severity == "error"]
    assert (problem.code, problem.hint) == ("secret.missing", f"chmod 600 {path}")


@node("test.Ruled")
def ruled(key: Annotated[str, Secret()]) -> str:
    """Have a rule that tells what it looks at."""
    return ""


@ruled.check
def _tells(key: str) -> None:
    raise InputError(key, f"{key} is bad")


@pytest.mark.parametrize("pasted", ["sk-proj-0123456789abcdef", "sk0123456789"])
def test_no_rule_is_tried_on_a_key_that_was_pasted_instead_of_its_name(session: Session, pasted: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        session.run(graph(ruled, pasted))
    assert pasted not in str(caught.value)
    assert [problem.code.partition(".")[0] for problem in caught.value.problems] == ["secret"]
