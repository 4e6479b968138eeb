"""Texts that name model files in their midst: how they are declared, and what is told of files that are not here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest

from nodeflow.api import Row, Text, node
from nodeflow.core.errors import Problem
from nodeflow.core.files import NoFiles
from nodeflow.core.manifest import dump_manifest, parse_manifest
from nodeflow.core.mentions import mentioned, mentioning
from nodeflow.core.packs import Manifest
from nodeflow.core.registry import Registry
from nodeflow.core.signature import read_spec
from nodeflow.core.spec import Widget
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document

Words = Annotated[str, Text(lines=4, kind="words", naming=r"word:(\S+)")]


class Line(Row):
    """A line.

    Attributes:
        text: What it says.
    """

    text: Words


@node("test.Speak")
def speak(
    text: Words = "", more: Sequence[Line] = (), plain: Annotated[str, Text()] = "", maybe: Words | None = None
) -> str:
    """Say something.

    Args:
        text: What.
        more: What else.
        plain: What names nothing.
        maybe: What may be left out.
    """
    return text


class Shelf(NoFiles):
    """Two words, one of them in a folder."""

    def find(self, folder: str, name: str) -> Path | None:
        return Path("/words") / name if name in self.names(folder) else None

    def names(self, folder: str) -> Sequence[str]:
        return ("cat.txt", "pets/dog.txt") if folder == "words" else ()

    def meant(self, folder: str, name: str) -> str | None:
        return next((each for each in self.names(folder) if Path(each).stem == name), None)


def problems(files: NoFiles | None = None, **inputs: Any) -> tuple[Problem, ...]:
    registry = Registry()
    registry.add_node(speak)
    tree = {"nodeflow": 1, "nodes": {"s": {"type": "test.Speak", "version": 1, "inputs": inputs}}}
    found = resolve(Document.from_tree(tree), registry, files or Shelf())
    return tuple(problem for problem in found.problems if problem.code != "run.nothing")


def test_a_text_says_which_files_it_may_name() -> None:
    spec = read_spec(speak)
    assert spec.inputs[0].widget == Widget("text", lines=4, folder="words", pattern=r"word:(\S+)")
    assert [(item.name, kind) for item, kind in mentioning(spec.inputs)] == [
        ("text", "words"), ("text", "words"), ("maybe", "words")
    ]  # fmt: skip


def test_names_are_found_once_and_in_order() -> None:
    (item, _), *_ = mentioning(read_spec(speak).inputs)
    assert item.widget is not None
    assert mentioned(item.widget, "word:b then word:a, word:b") == ("b", "a,")
    assert mentioned(Widget("text"), "word:a") == ()


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "words"}, {"naming": "(a)"}, {"kind": "words", "naming": "a"}],
    ids=["kind", "pattern", "group"],
)
def test_kind_and_pattern_go_together(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="needs their kind, and a pattern whose first group is the name"):
        Text(**wrong)  # type: ignore[arg-type]


def test_a_word_that_is_there_is_fine_also_in_a_folder() -> None:
    assert problems(text="a word:cat and word:dog", more=[{"text": "word:dog"}], plain="word:cow", maybe=None) == ()


def test_a_word_that_is_not_there_is_told_with_the_nearest_one_and_its_folder() -> None:
    (problem,) = problems(text="a word:cats and word:dog")
    assert str(problem) == (
        'test.Speak "s" · text: there is no such file in words; found "cats"; expected cat, pets/dog → did you '
        'mean "cat"? [file.missing]'
    )


def test_where_a_word_belongs_is_told_when_none_is_like_it() -> None:
    (problem,) = problems(NoFiles(), text="word:cat")
    assert (problem.expected, problem.hint) == (None, "put the file into models/words")


def test_every_word_and_every_row_is_looked_at() -> None:
    found = problems(text="word:cow word:hen", more=[{"text": "word:cow"}, {"text": "word:dog"}])
    assert [(problem.input, problem.found) for problem in found] == [
        ("text", '"cow"'), ("text", '"hen"'), ("more[0].text", '"cow"')
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a\\b", "C:x"])
def test_a_word_never_leaves_its_folder(name: str) -> None:
    class Everything(Shelf):
        def meant(self, folder: str, name: str) -> str | None:
            return name

    (problem,) = problems(Everything(), text=f"word:{name}")
    assert problem.code == "file.path"


def test_the_models_of_a_document_are_told_by_their_full_names() -> None:
    registry = Registry()
    registry.add_node(speak)
    tree = {"nodeflow": 1, "nodes": {"s": {"type": "test.Speak", "version": 1, "inputs": {"text": "word:dog"}}}}
    assert resolve(Document.from_tree(tree), registry, Shelf()).models == (("words", "pets/dog.txt"),)


def test_without_files_nothing_is_meant() -> None:
    assert NoFiles().meant("words", "cat") is None


def test_a_manifest_keeps_the_pattern() -> None:
    manifest = Manifest("test", specs=(read_spec(speak),))
    assert parse_manifest(dump_manifest(manifest)).specs == manifest.specs
