"""How ids and type names become the names that people and documents see."""

import re
from typing import Final

GRAPH_PREFIX: Final = "graph:"
"""What the type of a node starts with when it is a sub-graph of the document."""

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SCALARS = {"int": "number", "float": "number", "str": "text", "bool": "boolean"}


def words(name: str) -> list[str]:
    """The words of a CamelCase or snake_case name: ``CLIPTextEncode`` gives ``CLIP``, ``Text``, ``Encode``."""
    return _WORDS.findall(name)


def snake_case(name: str) -> str:
    """``VAEDecode`` gives ``vae_decode``; a name without any letter or digit gives ``node``."""
    return "_".join(words(name)).lower() or "node"


def title(id: str) -> str:
    """What the editor shows for a type id that says nothing else: ``mypack.SoftBlur`` gives ``Soft Blur``."""
    return " ".join(words(id.rpartition(".")[2]))


def socket_name(type_name: str) -> str:
    """Name of an output that has no other: the snake_case of its type, and plain words for numbers and texts."""
    return _SCALARS.get(type_name) or snake_case(type_name)


def plural(name: str) -> str:
    """``image`` gives ``images``, ``box`` gives ``boxes``."""
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def graph_name(type_id: str) -> str | None:
    """The name of the sub-graph that a node type stands for; None for any other type."""
    return type_id.removeprefix(GRAPH_PREFIX) if type_id.startswith(GRAPH_PREFIX) else None


def place_in(graph: str, node: str | None = None) -> str:
    """What messages call the definition of a sub-graph, or a node in it; no node has such an id."""
    return f"{GRAPH_PREFIX}{graph}" if node is None else f"{GRAPH_PREFIX}{graph}/{node}"
