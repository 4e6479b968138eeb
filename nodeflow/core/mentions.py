"""Model files that a text names in its midst, such as the learned words of a prompt."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from nodeflow.core.spec import Input, Widget


def mentioned(widget: Widget, text: str) -> tuple[str, ...]:
    """The names of files in a text, each once and in order; none where the widget says that it names none."""
    if widget.pattern is None:
        return ()
    return tuple(dict.fromkeys(match[1] for match in re.finditer(widget.pattern, text)))


def spoken(files: Iterable[str]) -> list[str]:
    """The names of files as texts have them: without suffix."""
    return [PurePosixPath(file).with_suffix("").as_posix() for file in files]


def mentioning(inputs: Iterable[Input]) -> Iterator[tuple[Input, str]]:
    """The inputs, and fields of rows, whose texts may name files, each with the kind of these."""
    for item in inputs:
        if item.widget is not None and item.widget.pattern is not None and item.widget.folder is not None:
            yield item, item.widget.folder
        yield from mentioning(item.fields)
