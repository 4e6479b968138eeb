"""What code does behind the engine's back: it prints, opens files and connections.

A watch hooks into the interpreter for good, so it belongs into a process that lives for one check.
"""

import ctypes
import io
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal, cast

from nodeflow.core.suggest import shorten
from nodeflow.testing.sources import NOWHERE, Place

Kind = Literal["print", "read", "write", "network"]

_SYSTEM: Final = (sys.prefix, sys.base_prefix, "/usr", "/lib", "/etc", "/proc", "/sys", "/dev", "/opt", "/run")
_NODEFLOW: Final = Path(__file__).parent.parent
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES: Final = {"os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.rmdir": 0, "os.truncate": 0}
"""Events that change a folder, with the position of the path that is changed."""
_CONNECTIONS: Final = {"socket.connect": 1, "socket.getaddrinfo": 0, "socket.sendto": 1}
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1", ""})


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was done.

    Attributes:
        what: The text, the path or the address.
        file: The line of the pack that did it.
    """

    kind: Kind
    what: str
    file: str = ""
    line: int = 0


@dataclass(slots=True)
class Watch:
    """Notes what the code of one package does while ``during`` lasts.

    Attributes:
        root: Folder or file of the package.
        allowed: Files that inputs name.
    """

    root: Path
    allowed: set[Path] = field(default_factory=set[Path])
    _seen: list[Seen] | None = None
    _busy: bool = False
    _size: int = 0

    def install(self) -> None:
        """Hook into the interpreter and take the place of standard output; there is no way back."""
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 1)
        sys.addaudithook(self._heard)
        sys.stdout = _Listener.opened(self)

    @contextmanager
    def during(self) -> Generator[list[Seen]]:
        """Collect what is seen meanwhile."""
        seen: list[Seen] = []
        self._seen = seen
        try:
            yield seen
        finally:
            self._seen = None
            if text := self._written():
                seen.append(Seen("print", _first_line(text)))

    def printed(self, text: str) -> None:
        """Something was written to standard output."""
        if self._seen is None or not text.strip():
            return
        place = self._culprit()
        if not any((item.kind, item.file, item.line) == ("print", *place) for item in self._seen):
            self._seen.append(Seen("print", _first_line(text), *place))

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if self._seen is None or self._busy:
            return
        self._busy = True
        try:
            if event == "open":
                self._opened(*args)
            elif event in _CHANGES:
                self._touched("write", args[_CHANGES[event]])
            elif event in _CONNECTIONS:
                self._connected(args[_CONNECTIONS[event]])
        finally:
            self._busy = False

    def _opened(self, path: Any, mode: str | None, flags: int) -> None:
        writes = bool(flags & _WRITE_FLAGS) or any(letter in (mode or "r") for letter in "wax+")
        self._touched("write" if writes else "read", path)

    def _touched(self, kind: Kind, path: Any) -> None:
        if self._seen is None or not isinstance(path, str | bytes):
            return
        place = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - a link is meant, not what it leads to
        if place in self.allowed or self._is_own(kind, place):
            return
        file, line = self._culprit(imports=False)
        if file:
            near = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
            self._seen.append(Seen(kind, str(near), file, line))

    def _is_own(self, kind: Kind, place: Path) -> bool:
        """Whether anybody may open this: caches, scratch files in a temp folder, for reading whatever is installed."""
        if "__pycache__" in place.parts or _is_cache(place):
            return True
        if place.is_relative_to(tempfile.gettempdir()) and not place.is_relative_to(Path.cwd()):
            return True
        own = ("/dev",) if kind == "write" else (*_SYSTEM, _NODEFLOW, self.root)
        return any(place.is_relative_to(folder) for folder in own)

    def _connected(self, address: Any) -> None:
        host = str(cast("tuple[object, ...]", address)[0] if isinstance(address, tuple) else address or "")
        if self._seen is None or host.startswith("/"):
            return
        self._seen.append(Seen("network", host, *self._culprit()))
        if host not in _LOCAL:
            raise ConnectionRefusedError("there is no network while a pack is checked")

    def _culprit(self, *, imports: bool = True) -> Place:
        """The innermost line of the package that is being run.

        Args:
            imports: Also what a module does that this line imports.
        """
        inside = str(self.root) + (os.sep if self.root.is_dir() else "")
        frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(inside):
                return file, frame.f_lineno
            if file.startswith("<frozen importlib") and not imports:
                return NOWHERE
            frame = frame.f_back
        return NOWHERE

    def _written(self) -> str:
        """What reached the descriptor of standard output past Python since the last look."""
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).fflush(None)
        size = os.fstat(1).st_size
        os.lseek(1, self._size, os.SEEK_SET)
        text = os.read(1, size - self._size).decode("utf-8", "replace")
        self._size = size
        return text.strip()


def _first_line(text: str) -> str:
    return shorten(text.strip().partition("\n")[0])


def _is_cache(place: Path) -> bool:
    """Whether it lies in a hidden folder of the user's, where libraries keep what they have prepared."""
    home = Path.home()
    return place.is_relative_to(home) and "".join(place.relative_to(home).parts[:1]).startswith(".")


class _Listener(io.RawIOBase):
    """Standard output that is listened to."""

    name = "<stdout>"
    mode = "wb"

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @classmethod
    def opened(cls, watch: Watch) -> io.TextIOWrapper:
        """The text stream that Python prints to."""
        return io.TextIOWrapper(cls(watch), encoding="utf-8", errors="replace", write_through=True)

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._watch.printed(bytes(data).decode("utf-8", "replace"))
        return len(data)
