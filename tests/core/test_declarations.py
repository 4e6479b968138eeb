"""Kinds of models and settings as packs declare them: what cannot be meant is left out and told."""

from typing import Any

import pytest

from nodeflow.core.packs import ModelKind, Pack, Setting
from nodeflow.core.registry import Registry
from nodeflow.core.scan import described

FACES = ModelKind("faces", (".onnx", ".safetensors"), "detectors/faces", "Finds faces.")


def test_what_is_sound_is_in_the_manifest() -> None:
    kind: Any = ModelKind("faces", [".onnx"])  # type: ignore[arg-type]
    manifest = described(Pack("shop", "1.0", kinds=(kind,), settings=(Setting("size", 1),)))
    assert manifest.kinds == (ModelKind("faces", (".onnx",)),)
    assert manifest.settings == (Setting("size", 1),)
    assert manifest.problems == ()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ModelKind("../x"), "kind '../x': its name may have letters"),
        (ModelKind(""), "its name may have letters"),
        (ModelKind("a", folder="../b"), "its folder '../b' must lie below"),
        (ModelKind("a", folder="/b"), "must lie below"),
        (ModelKind("a", ()), "its suffixes are (); write them as in"),
        (ModelKind("a", ".onnx"), "its suffixes are '.onnx'; write them as in"),  # type: ignore[arg-type]
        (ModelKind("a", ("onnx",)), "its suffixes are ('onnx',)"),
        (ModelKind("a", ("model.onnx",)), "its suffixes are ('model.onnx',)"),
    ],
)
def test_a_kind_that_cannot_be_meant_is_left_out(kind: ModelKind, reason: str) -> None:
    manifest = described(Pack("shop", "1.0", kinds=(FACES, kind)))
    assert manifest.kinds == (FACES,)
    (problem,) = manifest.problems
    assert reason in problem


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (Setting("a b", 1), "setting 'a b': its name must be one word"),
        (Setting("a", []), "setting 'a': its default [] is no text, number, true or false"),  # type: ignore[arg-type]
        (Setting("a", None), "its default None"),  # type: ignore[arg-type]
        (Setting("a", float("inf")), "its default inf"),
        (Setting("size", 2), "setting 'size': it is declared twice"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_left_out(setting: Setting, reason: str) -> None:
    manifest = described(Pack("shop", "1.0", settings=(Setting("size", 1), setting)))
    assert manifest.settings == (Setting("size", 1),)
    (problem,) = manifest.problems
    assert reason in problem


def registry_of(**kinds: ModelKind) -> Registry:
    registry = Registry()
    for name, kind in kinds.items():
        registry.add(described(Pack(name, "1.0", kinds=(kind,))))
    return registry


def test_packs_may_agree_on_a_kind() -> None:
    registry = registry_of(first=FACES, second=FACES)
    assert registry.kinds == {"faces": FACES}
    assert registry.problems == ()


def test_packs_that_disagree_on_a_kind_are_both_named() -> None:
    registry = registry_of(first=FACES, second=ModelKind("faces"), third=ModelKind("third.other"))
    assert list(registry.kinds) == ["third.other"]
    assert [problem.pack for problem in registry.problems] == ["first", "second"]
    assert "kind of models 'faces' is claimed by 'first' and 'second'" in registry.problems[0].reason


def test_a_kind_with_the_name_of_a_built_in_one_is_refused() -> None:
    registry = registry_of(nodeflow_nodes=ModelKind("loras", (".safetensors",)), shop=ModelKind("loras", (".zip",)))
    assert registry.kinds["loras"].suffixes == (".safetensors",)
    assert [problem.pack for problem in registry.problems] == ["shop"]
