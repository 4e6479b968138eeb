"""Opening a document without the packs it was made with, and saving it, loses nothing."""

import json
from copy import deepcopy
from typing import Any

from nodeflow.core.assigning import assign
from nodeflow.core.completion import complete
from nodeflow.core.files import NoFiles
from nodeflow.core.registry import Registry
from nodeflow.core.upgrade import migrate
from nodeflow.core.validate import resolve
from nodeflow.core.workflow import Document, parse_document

TAG: Any = {
    "version": 3,
    "type": "mypack.Tag",
    "mode": "bypass",
    "colour": "red",
    "inputs": {
        "rows": [
            {"file": "a.st", "strength": {"link": "words.string"}, "deep": [{"x": {"draw": "random", "max": 3}}]},
            {"value": {"link": "no.link"}},
        ],
        "seed": {"draw": "mypack.take", "name": "takes", "more": None},
        "image": {"link": "scale.image"},
        "options": {"value": {"link": "escaped", "b": 1, "a": 2}},
        "none": None,
        "number": 0.1,
    },
    "notes": {"by": ["the pack"], "1": "an index first"},
}

MADE: Any = {
    "nodeflow": 1,
    "meta": {"title": "Made elsewhere", "licence": "CC0"},
    "nodes": {
        "words": {"type": "OldText", "inputs": {"text": "a cat"}},
        "tag": TAG,
        "cat": {"type": "LoadImage", "version": 1, "inputs": {"file": "cat.png"}},
        "scale": {
            "type": "Scale",
            "version": 1,
            "title": "Small",
            "inputs": {"width": 64, "image": {"link": "cat.image"}},
        },
        "use": {
            "type": "graph:inner",
            "version": 1,
            "inputs": {"strength": {"draw": "choice", "of": [1, 2]}, "rest": 5},
        },
    },
    "graphs": {
        "inner": {
            "nodes": {"tag": deepcopy(TAG), "n": {"type": "Whole", "version": 3, "inputs": {"value": 3}}},
            "interface": {
                "inputs": {
                    "strength": {"to": ["tag.strength", "n.value"], "title": "Strength", "order": 2, "range": {"le": 3}}
                },
                "outputs": {"image": {"from": "tag.image", "title": "Tagged"}},
            },
            "title": "Inner",
            "meta": {"x": [1, {"y": None}]},
            "ui": {"nodes": {"tag": {"x": 1.5}}},
        },
        "unused": {"nodes": {"only": {"type": "otherpack.Node"}}},
    },
    "interface": {
        "inputs": {"amount": {"to": ["tag.amount"], "order": 1}},
        "outputs": {"tagged": {"from": "use.image"}, "text": {"from": "words.string"}},
    },
    "packs": {"mypack": {"version": ">=1.2", "sha256": "ab12" * 16}, "otherpack": {"version": "0.1"}},
    "models": {"a.safetensors": {"sha256": "cd34" * 16}},
    "ui": {"nodes": {"tag": {"x": 240}}, "frames": [{"of": ["tag"]}], "9": "index", "theirs": {"link": "not.ours"}},
}


def test_what_a_save_changes_is_what_belongs_to_packs_that_are_here(catalogue: Any) -> None:
    saved = json.loads(complete(Document.from_tree(deepcopy(MADE)), catalogue).dumps())

    expected = deepcopy(MADE)
    expected["nodes"]["words"] = {
        "type": "Text",
        "inputs": {"value": "a cat", "name": "", "shout": False},
        "version": 1,
    }
    expected["nodes"]["scale"]["inputs"] |= {"height": 128, "method": "fast"}
    expected["graphs"]["inner"]["nodes"]["n"]["inputs"] |= {"offset": 0, "limit": None}
    expected["nodes"]["tag"]["inputs"]["rows"][0]["strength"] = {"link": "words.text"}
    expected["interface"]["outputs"]["text"]["from"] = "words.text"
    assert saved == expected
    assert list(saved["nodes"]) == list(MADE["nodes"])
    assert list(saved["nodes"]["tag"]) == list(TAG)
    assert list(saved["nodes"]["tag"]["inputs"]) == list(TAG["inputs"])


def test_saving_again_and_loading_again_change_nothing(catalogue: Any) -> None:
    once = complete(Document.from_tree(deepcopy(MADE)), catalogue).dumps()

    assert complete(parse_document(once), catalogue).dumps() == once
    assert parse_document(once).dumps() == once


def test_setting_a_value_keeps_all_the_rest(catalogue: Any) -> None:
    document = Document.from_tree(deepcopy(MADE))

    changed = assign(document, {"amount": "7", "tag.number": 3, "use.strength": "2"}, catalogue)

    expected = deepcopy(MADE)
    expected["nodes"]["tag"]["inputs"] |= {"amount": "7", "number": 3}
    expected["nodes"]["use"]["inputs"]["strength"] = 2
    assert changed.tree == expected


def test_a_document_without_old_nodes_is_not_touched_at_all(catalogue: Any) -> None:
    tree = deepcopy(MADE)
    del tree["nodes"]["words"]
    document = Document.from_tree(tree)

    assert migrate(document, catalogue)[0] is document


def test_what_is_missing_is_named_where_it_stands(catalogue: Any, files: Any) -> None:
    tree = deepcopy(MADE)
    del tree["nodes"]["tag"]["mode"]

    found = resolve(Document.from_tree(tree), catalogue, files)

    assert [(item.code, item.node, item.severity) for item in found.problems if item.code == "pack.absent"] == [
        ("pack.absent", "tag", "error"),
        ("pack.absent", "graph:inner/tag", "error"),
        ("pack.absent", "graph:unused/only", "warning"),
    ]
    hints = [str(item.hint) for item in found.problems if item.code == "pack.absent"]
    assert ">=1.2" in hints[0]
    assert ">=1.2" in hints[1]


def test_of_nodes_that_cannot_be_read_nobody_says_that_they_are_for_nothing() -> None:
    tree: Any = {"nodeflow": 1, "nodes": {"tag": {"type": "absent.Tag", "version": 1, "inputs": {}}}}
    tree["interface"] = {"outputs": {"image": {"from": "tag.image"}}}
    problems = resolve(Document.from_tree(tree), Registry(), NoFiles()).problems
    assert [problem.code for problem in problems] == ["pack.absent"]
