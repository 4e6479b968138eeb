"""Nodes that show what comes out somewhere, on the node and in the shell; nothing is written into a file."""

import json
from collections.abc import Iterator
from typing import Any, cast

from nodeflow.api import Kind, Lane, Run, node, quiet
from nodeflow.diffusion.types import Conditioning, Image, Latent, Mask


@node("ShowText", category="show", title="Show text", kind=Kind.EFFECT, lane=Lane.CPU)
def show_text(text: str, *, run: Run = quiet) -> None:
    """Show a text.

    Args:
        text: The text; of a list, each.
    """
    run.show(text)


@node("ShowValue", category="show", title="Show value", kind=Kind.EFFECT, lane=Lane.CPU)
def show_value(value: Any, *, run: Run = quiet) -> None:
    """Show a number, a text or a list as it is, and of anything else its type and size.

    Args:
        value: Any value.
    """
    for part in _leaves(value):
        run.show(part if _is_plain(part) else described(part))


@node("PreviewAny", category="show", title="Preview anything", kind=Kind.EFFECT, lane=Lane.CPU)
def preview_any(source: Any, *, run: Run = quiet) -> None:
    """Show any value: pictures and masks as pictures, latents as a small one, everything else as ShowValue does.

    Args:
        source: Any value, or a list of values.
    """
    for part in _leaves(source):
        run.show(_visible(part))


def described(value: object) -> str:
    """A line that says what a value is."""
    name = type(value).__name__
    match value:
        case Image() | Mask() | Latent():
            return f"{name}: {len(value)} of {value.width} × {value.height} pixels"
        case Conditioning():
            lengths = " + ".join(str(entry.context.shape[1]) for entry in value.entries)
            return f"{name}: {lengths} tokens"
        case dict():
            return json.dumps(value, ensure_ascii=False, default=described)
        case None:
            return "nothing"
        case _:
            return name


def _leaves(value: object) -> Iterator[object]:
    """The value, or one after the other what is in a list that is not plain."""
    if isinstance(value, list) and not _is_plain(cast(object, value)):
        for part in cast("list[object]", value):
            yield from _leaves(part)
    else:
        yield value


def _visible(value: object) -> object:
    match value:
        case Image():
            return value
        case Mask():
            return value.as_image()
        case Latent():
            from nodeflow.diffusion.preview import preview

            return preview(value) or described(value)
        case _ if _is_plain(value):
            return value
        case _:
            return described(value)


def _is_plain(value: object) -> bool:
    """Whether a value is a text, a number, yes or no, or a list of such."""
    if isinstance(value, list):
        return all(map(_is_plain, cast("list[object]", value)))
    return isinstance(value, str | int | float)
