"""A node that reads a file that no input names, so that a change of it goes unnoticed."""

from pathlib import Path

from nodeflow.api import Pack, node

pack = Pack("reads_file", "1.0")


@node("reads_file.Count")
def count(name: str = "words.txt") -> int:
    """Count the words of a file.

    Args:
        name: Of the file.
    """
    try:
        return len(Path(name).read_text().split())
    except OSError:
        return 0
