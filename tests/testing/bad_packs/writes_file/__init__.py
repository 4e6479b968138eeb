"""A node that writes a file past the engine."""

from pathlib import Path

from nodeflow.api import Pack, node

pack = Pack("writes_file", "1.0")


@node("writes_file.Note")
def note(text: str = "a note") -> None:
    """Write a note.

    Args:
        text: What it says.
    """
    Path("note.txt").write_text(text)
