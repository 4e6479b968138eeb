"""A layer below SQLite that sees every write, sync, truncation and deletion, and can make any of them fail.

It is what SQLite's own tests do: a VFS that hands everything on to the real one. Made with ctypes from the library that
``sqlite3`` itself uses.
"""

import _sqlite3
import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

OK = 0
FULL = 13
CANTOPEN = 14
IOERR_WRITE = 10 | 3 << 8
IOERR_FSYNC = 10 | 4 << 8
IOERR_TRUNCATE = 10 | 6 << 8
IOERR_DELETE = 10 | 10 << 8

OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
DELETE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class Vfs(ctypes.Structure):
    """``sqlite3_vfs``."""

    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", OPEN),
        ("delete", DELETE),
        ("others", c_void_p * 14),
    ]


class Methods(ctypes.Structure):
    """``sqlite3_io_methods``."""

    _fields_ = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", WRITE),
        ("truncate", TRUNCATE),
        ("sync", SYNC),
        ("others", c_void_p * 13),
    ]


class File(ctypes.Structure):
    """``sqlite3_file``: what every VFS's own begins with."""

    _fields_ = [("methods", POINTER(Methods))]


@dataclass(frozen=True)
class Done:
    """Something that reaches the disk.

    ``data`` is what was written at ``offset``, which is the size after a truncation, and for a deletion tells whether
    the folder is synced.
    """

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


Watcher = Callable[[Done], int]
"""Told before anything is done; anything but OK is what SQLite gets instead."""


class Disk:
    """The layer; ``watch`` is asked about everything that changes a file.

    Without ``shared`` it is like a network file system: no memory is shared between connections.
    """

    def __init__(self, watch: Watcher, *, shared: bool = True) -> None:
        self.watch = watch
        self._shared = shared
        self._library = ctypes.CDLL(_sqlite3.__file__)
        self._library.sqlite3_vfs_find.restype = POINTER(Vfs)
        self._real: Any = self._library.sqlite3_vfs_find(None)
        self._names: dict[int, str] = {}
        self._patched: dict[int, tuple[Methods, Methods]] = {}
        self._vfs = Vfs.from_buffer_copy(self._real.contents)
        self._vfs.name = b"watched"
        self._vfs.next = None
        self._vfs.open = OPEN(self._open)
        self._vfs.delete = DELETE(self._delete)

    @contextmanager
    def installed(self) -> Iterator["Disk"]:
        """All databases opened inside go through it."""
        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        try:
            yield self
        finally:
            self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
            self._library.sqlite3_vfs_register(self._real, 1)

    def _open(self, vfs: int, path: int | None, file: int, flags: int, out: int) -> int:
        # The address is handed on as it is: SQLite keeps it.
        name = Path(ctypes.string_at(path).decode()).name if path else "temporary"
        code = self.watch(Done("open", name)) or self._real.contents.open(
            ctypes.cast(self._real, c_void_p), path, file, flags, out
        )
        opened = File.from_address(file)
        if code == OK and opened.methods:
            self._names[file] = name
            opened.methods = ctypes.pointer(self._watched(opened.methods))
        return code

    def _watched(self, real: Any) -> Methods:
        address = ctypes.addressof(real.contents)
        if address not in self._patched:
            watched = Methods.from_buffer_copy(real.contents)
            self._patched[address] = watched, real.contents
            watched.version = real.contents.version if self._shared else 1
            watched.write = WRITE(self._through(real.contents, "write"))
            watched.truncate = TRUNCATE(self._through(real.contents, "truncate"))
            watched.sync = SYNC(self._through(real.contents, "sync"))
        return self._patched[address][0]

    def _through(self, real: Methods, kind: str) -> Callable[..., int]:
        def write(file: int, data: int, count: int, offset: int) -> int:
            done = Done("write", self._names[file], offset, ctypes.string_at(data, count))
            return self.watch(done) or real.write(file, data, count, offset)

        def truncate(file: int, size: int) -> int:
            return self.watch(Done("truncate", self._names[file], size)) or real.truncate(file, size)

        def sync(file: int, flags: int) -> int:
            return self.watch(Done("sync", self._names[file])) or real.sync(file, flags)

        return {"write": write, "truncate": truncate, "sync": sync}[kind]

    def _delete(self, vfs: int, path: int, sync: int) -> int:
        return self.watch(
            Done("delete", Path(ctypes.string_at(path).decode()).name, sync)
        ) or self._real.contents.delete(ctypes.cast(self._real, c_void_p), path, sync)


class Faults:
    """Makes the Nth change of the disk fail: that one only, or all from it on until ``over``."""

    CODES: ClassVar = {
        "open": CANTOPEN,
        "write": IOERR_WRITE,
        "truncate": IOERR_TRUNCATE,
        "sync": IOERR_FSYNC,
        "delete": IOERR_DELETE,
    }

    def __init__(self, nth: int, *, full: bool = False, lasting: bool = False) -> None:
        self.nth = nth
        self.full = full
        self.lasting = lasting
        self.seen = 0
        self.over = False
        self.hit: Done | None = None

    def __call__(self, done: Done) -> int:
        if self.over or (self.full and done.kind != "write"):
            return OK
        self.seen += 1
        if self.seen < self.nth or (self.seen > self.nth and not self.lasting):
            return OK
        self.hit = self.hit or done
        return FULL if self.full else self.CODES[done.kind]
