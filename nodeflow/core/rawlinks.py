"""Links in the inputs of nodes as a document writes them, also inside lists and rows."""

from collections.abc import Iterator, Mapping

from nodeflow.core.json import JsonValue


def link_of(value: JsonValue) -> tuple[str, str] | None:
    """Node and output of a value that is a link and nothing else."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(link := value.get("link"), str):
        source, _, output = link.partition(".")
        return (source, output) if source and output else None
    return None


def links_in(value: JsonValue) -> Iterator[tuple[str, str]]:
    """The links in a list, or in a row in one, as node and output."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict) and not is_closed(item):
            if (link := link_of(item)) is not None:
                yield link
            else:
                waiting.extend(item.values())


def is_closed(value: Mapping[str, JsonValue]) -> bool:
    """Whether an object is a draw or an escaped literal: nothing in it is a link."""
    return "draw" in value or (len(value) == 1 and "value" in value)


def link_to(socket: str) -> JsonValue:
    """The link to ``node.output``."""
    return {"link": socket}
