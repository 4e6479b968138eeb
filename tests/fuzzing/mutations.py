"""Small random changes of bytes and of JSON trees, for feeding parsers what no one wrote on purpose."""

import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final

NASTY: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308, 5e-324,
    "", " ", "a", "0", "../../etc/passwd", "__proto__", "__class__", "\x00", "\ud800", "\u202e", "é" * 300, "x" * 5000,
    [], {}, [[]], [None], {"": None}, {"link": "a.b"}, {"link": ""}, {"link": 3}, {"value": {"link": "a.b"}},
    {"draw": "random"}, {"draw": "text", "template": "{a|{b|c}"}, {"draw": "choice", "of": []}, {"draw": []},
)  # fmt: skip
_BYTES: Final = (b"\x00", b"\xff", b"{", b"}", b"[", b'"', b"\\", b"\\ud800", b"1e999", b"NaN", b"\xc0\xaf", b"\r\n")


def bytes_like(random: random.Random, seed: bytes) -> bytes:
    """A few bytes flipped, cut, doubled or put in."""
    data = bytearray(seed)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        place = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0 if data:
                data[place % len(data)] ^= 1 << random.randrange(8)
            case 1:
                data[place:place] = random.choice(_BYTES)
            case 2:
                del data[place : place + random.choice((1, 2, 8, 64))]
            case 3:
                data[place:place] = data[place : place + random.choice((1, 4, 32))] * random.choice((1, 2, 50))
            case 4:
                data[place : place + 4] = random.choice((0, 1, 2**31, 2**32 - 1)).to_bytes(4, random.choice(_ORDERS))
            case _:
                del data[place:]
    return bytes(data)


_ORDERS: Final[Sequence[Any]] = ("little", "big")


def tree_like(random: random.Random, seed: Any) -> Any:
    """A few members of a JSON tree replaced, dropped, renamed, moved or wrapped."""
    tree = deepcopy(seed)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        holder, key = random.choice(_places(tree) or [([tree], 0)])
        change = random.choice(_CHANGES)
        change(random, holder, key, tree)
    return tree


def json_like(random: random.Random, seed: Any) -> bytes:
    """A changed tree as text; now and then the text is changed as well, or something huge stands in it."""
    tree = tree_like(random, seed)
    try:
        text = json.dumps(tree, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    except (RecursionError, ValueError):  # a tree that was put into itself
        text = b"{}"
    match random.randrange(20):
        case 0:
            return bytes_like(random, text)
        case 1:
            return text.replace(b"{", b"[" * random.choice((1, 2000, 100_000)) + b"{", 1)
        case 2:
            return text.replace(b"{", b'{"nodes":{},', 1)
        case _:
            return text


def _places(tree: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < 5000:
        each = waiting.pop()
        keys: Any = each if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        for key in keys:
            found.append((each, key))
            waiting.append(each[key])
    return found


Change = Callable[[random.Random, Any, Any, Any], None]


def _replace(random: random.Random, holder: Any, key: Any, _: Any) -> None:
    holder[key] = deepcopy(random.choice(NASTY))


def _drop(_random: random.Random, holder: Any, key: Any, _: Any) -> None:
    del holder[key]


def _rename(random: random.Random, holder: Any, key: Any, _: Any) -> None:
    if isinstance(holder, dict):
        holder[random.choice(("", "a.b", "link", "__class__", "nodes", "x" * 300, f"{key}2"))] = holder.pop(key)


def _move(random: random.Random, holder: Any, key: Any, tree: Any) -> None:
    other, place = random.choice(_places(tree) or [(holder, key)])
    other[place] = deepcopy(holder[key])


def _wrap(random: random.Random, holder: Any, key: Any, _: Any) -> None:
    for _ in range(random.choice((1, 3, 70))):
        holder[key] = [holder[key]] if random.random() < 0.5 else {"value": holder[key]}


def _nudge(random: random.Random, holder: Any, key: Any, _: Any) -> None:
    value = holder[key]
    if isinstance(value, int) and not isinstance(value, bool):
        holder[key] = value + random.choice((-1, 1, 2**31, -(2**31)))
    elif isinstance(value, str):
        place = random.randrange(len(value) + 1)
        holder[key] = value[:place] + random.choice(("", ".", "/", "{", "|", "\n", "@", ":", "(")) + value[place + 1 :]
    else:
        _replace(random, holder, key, None)


_CHANGES: Final[tuple[Change, ...]] = (_replace, _replace, _drop, _rename, _move, _wrap, _nudge, _nudge)
