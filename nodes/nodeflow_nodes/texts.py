"""Nodes that put texts together."""

from collections.abc import Mapping, Sequence

from nodeflow.api import InputError, Lane, Prompt, Row, node
from nodeflow_nodes.templates import Plain, TemplateError, fill, read


class Filling(Row):
    """What stands at a place in a text.

    Attributes:
        name: As the text has it in braces.
        content: A text, a number, yes or no.
    """

    name: str
    content: str | int | float | bool


@node("JoinText", category="text", title="Join texts", lane=Lane.CPU)
def join_text(texts: list[str], separator: str = ", ", skip_empty: bool = True) -> str:
    """Put texts one after the other.

    Args:
        texts: The texts; each may be written here or linked, or the whole list may be.
        separator: What stands between two of them.
        skip_empty: Leave out texts in which there is nothing, so that no separator follows another.
    """
    return separator.join(text for text in texts if text.strip() or not skip_empty)


@node("FormatText", category="text", title="Fill in a text", lane=Lane.CPU)
def format_text(template: Prompt, values: Sequence[Filling] = ()) -> str:
    """Put values into a text, each at its place in braces.

    Args:
        template: Such as `{animal} number {n:03}`; `{0}` is the first value, `{{` a brace, and what follows a colon is
            how a number is written: `{size:.2f}` gives two decimals.
        values: The names in the template, and what they stand for.
    """
    try:
        return fill(template, _by_name(values))
    except TemplateError as error:
        raise InputError("template", str(error)) from None


@format_text.check
def _can_be_read(template: str) -> None:
    try:
        read(template)
    except TemplateError as error:
        raise InputError("template", str(error)) from None


@format_text.check
def _can_be_filled_in(template: str, values: Sequence[Filling]) -> None:
    format_text(template, values)


def _by_name(values: Sequence[Filling]) -> Mapping[str, Plain]:
    """The values by name and by number."""
    names = [row.name for row in values]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError(f"values[{place}].name", f"{name} is given twice")
    named = {str(number): row.content for number, row in enumerate(values)}
    return {**{row.name: row.content for row in values}, **named}
