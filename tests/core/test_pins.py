"""Pinned packs and models: what differs is a warning, what the document rules out is an error, the rest is silence."""

from typing import Any

import pytest

from nodeflow.core.pins import PinCheck, UnknownStock, install_hint, is_condition, pin_of
from nodeflow.core.validate import check
from nodeflow.core.workflow import Document, ModelPin, PackPin

EMOJI = ("checkpoints", "emoji-tiny.safetensors")


def pinned(**pins: Any) -> Document:
    return Document.from_tree({"nodeflow": 1, "nodes": {}, **pins})


def severities(stock: Any, **pins: Any) -> list[tuple[str, str]]:
    found = PinCheck(pinned(**pins), stock)
    return [(problem.code, problem.severity) for problem in (*found.packs(), *found.models([EMOJI]))]


@pytest.mark.parametrize(
    ("pin", "found"),
    [
        ({}, []),
        ({"version": "1.0"}, []),
        ({"version": ">=0.9,<2"}, []),
        ({"version": "==1.0", "sha256": "A" * 64}, []),
        ({"version": "1.1"}, [("pack.version", "warning")]),
        ({"version": "nightly"}, [("pack.version", "error")]),
        ({"version": "1.*"}, [("pack.version", "error")]),
        ({"sha256": "xyz"}, [("field.value", "error")]),
        ({"version": "banana", "sha256": "a" * 63}, [("pack.version", "error"), ("field.value", "error")]),
        ({"version": "~=1.1"}, [("pack.version", "error")]),
        ({"version": "!=="}, [("pack.version", "error")]),
        ({"sha256": "b" * 64}, [("pack.digest", "warning")]),
        ({"version": "1.1", "sha256": "b" * 64}, [("pack.version", "warning")]),
    ],
)
def test_a_pack_is_held_against_its_pin(pin: Any, found: Any, stock: Any) -> None:
    assert severities(stock, packs={"test": pin}) == found


def test_a_version_that_is_none_never_meets_a_condition() -> None:
    class Odd(UnknownStock):
        def pack(self, name: str, /) -> PackPin | None:
            return PackPin(version="nightly")

    assert severities(Odd(), packs={"test": {"version": ">=1"}}) == [("pack.version", "error")]
    assert severities(Odd(), packs={"test": {"version": "1"}}) == [("pack.version", "warning")]


@pytest.mark.parametrize(
    ("models", "found"),
    [
        ({}, []),
        ({"emoji-tiny.safetensors": {"sha256": "C" * 64}}, []),
        (
            {
                "checkpoints/emoji-tiny.safetensors": {"sha256": "c" * 64},
                "emoji-tiny.safetensors": {"sha256": "0" * 64},
            },
            [],
        ),
        ({"emoji-tiny.safetensors": {"sha256": "0" * 64}}, [("model.digest", "warning")]),
        ({"checkpoints/emoji-tiny.safetensors": {"sha256": "c" * 64}}, []),
        ({"sub/other.safetensors": {"sha256": "0" * 64}}, []),
        ({"another.safetensors": {"sha256": "0" * 64}}, [("file.missing", "warning")]),
    ],
)
def test_a_model_is_held_against_its_pin(models: Any, found: Any, stock: Any) -> None:
    assert severities(stock, models=models) == found


def test_what_cannot_be_looked_up_is_not_judged(catalogue: Any, files: Any) -> None:
    document = pinned(packs={"gone": {"version": ">=9"}}, models={"emoji-tiny.safetensors": {"sha256": "0" * 64}})

    assert [problem.code for problem in check(document, catalogue, files)] == ["run.nothing"]
    assert list(PinCheck(document, UnknownStock()).models([EMOJI])) == []
    assert PinCheck(document, UnknownStock()).twin(*EMOJI) is None


def test_a_node_inside_a_sub_graph_needs_its_pack_as_well(stock: Any) -> None:
    inner = {"nodes": {"a": {"type": "mypack.Tag"}}}

    assert severities(stock, packs={"mypack": {}}) == [("pack.absent", "warning")]
    assert severities(stock, packs={"mypack": {}}, graphs={"g": inner}) == []


@pytest.mark.parametrize(
    ("pin", "hint"),
    [
        (None, "install the pack mypack"),
        (PackPin(sha256="00"), "install the pack mypack"),
        (PackPin(version="1.2"), 'pip install "mypack>=1.2"'),
        (PackPin(version="==1.2"), 'pip install "mypack==1.2"'),
    ],
)
def test_the_way_to_a_pack_names_the_version(pin: PackPin | None, hint: str) -> None:
    assert install_hint("mypack", pin) == hint


def test_the_built_in_pack_comes_with_nodeflow() -> None:
    assert install_hint("nodeflow_nodes", PackPin(version="1.2")) == 'pip install "nodeflow>=1.2"'


def test_pins_are_found_by_name_and_by_kind_and_name() -> None:
    models = {"a/b": ModelPin(sha256="1"), "b": ModelPin(sha256="2")}

    assert [pin_of(models, kind, "b") for kind in ("a", "c")] == [models["a/b"], models["b"]]
    assert pin_of(models, "a", "c") is None
    assert [is_condition(text) for text in ("1.2", "==1.2", ">1")] == [False, True, True]
