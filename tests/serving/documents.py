"""Tiny workflows: what they give is known before they run."""

from typing import Any

Document = dict[str, Any]


def written(name: str, steps: int = 1) -> Document:
    """Works for a while, writes its name into a text file and gives it back as ``said``."""
    return _document(
        {
            "work": _node("labour.Work", name=name, steps=steps),
            "save": _node("SaveText", text={"link": "work.text"}, filename_prefix="jobs/text"),
        }
    )


def drawn(name: str, steps: int = 1) -> Document:
    """Works for a while, then writes a small picture and its name."""
    small = _node("EmptyImage", width=8, height=8, batch_size=1)
    return _document(
        {
            "work": _node("labour.Work", name=name, steps=steps),
            "empty": small,
            "caption": _node("SaveText", text={"link": "work.text"}, filename_prefix="jobs/text"),
            "save": _node("SaveImage", images={"link": "empty.image"}, filename_prefix=f"jobs/{name}"),
        }
    )


def plain(name: str) -> Document:
    """Gives a text, without any file and without a pack of ours."""
    return {
        "nodeflow": 1,
        "nodes": {"text": _node("Text", value=name)},
        "interface": {"outputs": {"said": {"from": "text.text"}}},
    }


def _document(nodes: dict[str, Any]) -> Document:
    return {"nodeflow": 1, "nodes": nodes, "interface": {"outputs": {"said": {"from": "work.text"}}}}


def _node(type: str, **inputs: Any) -> dict[str, Any]:
    return {"type": type, "version": 1, "inputs": inputs}
