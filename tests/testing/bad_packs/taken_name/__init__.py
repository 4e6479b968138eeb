"""A type of values that another pack has a name for, too."""

from nodeflow.api import Pack, Socket, node


class Sound:
    """A sound that holds nothing."""

    nbytes = 0


pack = Pack("taken_name", "1.0", sockets=(Socket(Sound, "Sound"),))


@node("taken_name.Hush")
def hush() -> Sound:
    """Silence."""
    return Sound()
