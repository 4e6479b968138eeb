"""Files that a text names: part of the key, and handed to the node that asks for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeflow.core.run import Run, quiet
from nodeflow.core.spec import Input, Spec
from nodeflow.core.types import Type
from nodeflow.core.widgets import Text
from nodeflow.engine.explain import explain
from nodeflow.engine.results import RunResult
from nodeflow.storage.results import DiskResults

WIDGET = Text(kind="words", naming=r"word:(\w+)").widget()


def encode(text: str, run: Run = quiet) -> list[str]:
    return [str(run.model_file("words", name.removeprefix("word:"))) for name in text.split() if ":" in name]


def speak() -> str:
    return "a word:cat"


def result(run: RunResult) -> object:
    (value,) = run.values.values()
    return value


def encoder(bench: Any) -> Spec:
    spec: Spec = bench.node(encode)
    return replace(spec, inputs=(replace(spec.inputs[0], widget=WIDGET),))


def test_a_text_finds_its_files(bench: Any) -> None:
    bench.fingerprints.update(cat="1", dog="2")
    drawing = bench.draw()
    drawing.output("out", drawing.add("e", encoder(bench), text="a word:cat and word:dog"))
    assert result(bench.run(drawing)) == ["/models/cat", "/models/dog"]


@pytest.mark.parametrize(("changed", "calls"), [("cat", {"encode": 1}), ("dog", {"encode": 1}), ("cow", {})])
def test_a_change_in_a_file_that_is_named_makes_a_new_result(changed: str, calls: dict[str, int], bench: Any) -> None:
    bench.fingerprints.update(cat="1", dog="2", cow="3")
    drawing = bench.draw()
    drawing.output("out", drawing.add("e", encoder(bench), text="word:cat word:dog"))
    with bench.engine() as engine:
        bench.run(drawing, engine)
        bench.counts()
        bench.fingerprints[changed] = "new"
        bench.run(drawing, engine)
    assert bench.counts() == calls


def test_explain_says_which_file_changed(bench: Any, tmp_path: Path) -> None:
    bench.fingerprints.update(cat="1", dog="2")
    drawing = bench.draw()
    drawing.output("out", drawing.add("e", encoder(bench), text="word:cat word:dog"))
    with bench.engine(disk=DiskResults(tmp_path, 1 << 30)) as engine:
        bench.run(drawing, engine)
        bench.fingerprints["cat"] = "new"
        (explained,) = explain(drawing.graph(), bench, engine.memory, engine.disk)
    assert explained.reasons == ("text (cat): the file changed",)


def test_a_text_that_a_link_brings_depends_on_every_file_it_could_name(bench: Any) -> None:
    bench.fingerprints["cat"] = "1"
    drawing = bench.draw()
    drawing.output("out", drawing.add("e", encoder(bench), text=drawing.add("s", bench.node(speak))))
    with bench.engine() as engine:
        assert result(bench.run(drawing, engine)) == ["/models/cat"]
        bench.counts()
        bench.run(drawing, engine)
        assert bench.counts() == {}
        bench.fingerprints["all words"] = "new"
        bench.run(drawing, engine)
    assert bench.counts() == {"encode": 1}


def rows_encoder(bench: Any) -> Spec:
    def encode_rows(rows: list[Any], run: Run = quiet) -> list[Path]:
        return [run.model_file("words", row["text"].removeprefix("word:")) for row in rows]

    fields = {"rows": (replace(Input("text", Type("str")), widget=WIDGET),)}
    spec: Spec = bench.node(encode_rows, fields=fields)
    return spec


def test_texts_in_rows_name_files_too(bench: Any) -> None:
    bench.fingerprints.update(cat="1", dog="2")
    drawing = bench.draw()
    drawing.output("out", drawing.add("e", rows_encoder(bench), rows=[{"text": "word:cat"}, {"text": "word:dog"}]))
    with bench.engine() as engine:
        assert result(bench.run(drawing, engine)) == [Path("/models/cat"), Path("/models/dog")]
        bench.counts()
        bench.fingerprints["dog"] = "new"
        bench.run(drawing, engine)
    assert bench.counts() == {"encode_rows": 1}


def test_a_link_inside_a_row_makes_it_depend_on_every_file_too(bench: Any) -> None:
    bench.fingerprints["cat"] = "1"

    def name() -> str:
        return "word:cat"

    drawing = bench.draw()
    source = drawing.add("s", bench.node(name))
    drawing.output("out", drawing.add("e", rows_encoder(bench), rows=[{"text": source}]))
    with bench.engine() as engine:
        bench.run(drawing, engine)
        bench.counts()
        bench.fingerprints["all words"] = "new"
        bench.run(drawing, engine)
    assert bench.counts() == {"encode_rows": 1}


def test_a_file_that_is_gone_fails_the_node_with_its_input(bench: Any) -> None:
    drawing = bench.draw()
    drawing.output("out", drawing.add("e", encoder(bench), text="word:cat"))
    (failure,) = bench.run(drawing).failures
    assert (failure.input, str(failure.message)) == ("text", "cat cannot be read: cat")


def test_only_a_declared_kind_may_be_asked_for(bench: Any) -> None:
    def ask(run: Run = quiet) -> Path:
        return run.model_file("words", "cat")

    drawing = bench.draw()
    drawing.output("out", drawing.add("a", bench.node(ask)))
    (failure,) = bench.run(drawing).failures
    assert "no input of ask is a text that names files of words" in str(failure)
