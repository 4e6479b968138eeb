"""What code of others raised, in one line; also where its own words cannot be had."""

from nodeflow.core.errors import NodeflowError


def words_of(raised: object) -> str:
    """The words of an exception, or of what it was given as its message.

    ``__str__`` is code of others as well: where that raises, the words say so.
    """
    try:
        return str.strip(str(raised))
    except KeyboardInterrupt:
        raise
    except BaseException as worse:  # noqa: BLE001 - whatever it raises, exiting included, only the words are lost
        return f"(it has no words: its __str__ raised {type(worse).__name__})"


def told(error: BaseException) -> str:
    """The type and the words of an exception; an error of ours is told by its words alone."""
    words, name = words_of(error), type(error).__name__
    if isinstance(error, NodeflowError) and words:
        return words
    return f"{name}: {words}" if words else name
