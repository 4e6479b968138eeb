"""Files that clients send: streamed to the disk within their quota, known by what is in them, there whole or not."""

import asyncio
import hashlib
import math
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.files import FileInfo
from nodeflow.protocol.ids import new_id
from nodeflow.server.mediatypes import PICTURES, media_type_for
from nodeflow.server.pictures import Pictures
from nodeflow.server.places import places_of
from nodeflow.server.settings import Limits
from nodeflow.server.sweeping import remove_oldest
from nodeflow.storage.containment import NameRefused, contains, relative_name
from nodeflow.storage.home import Home
from nodeflow.storage.replacing import replace_file, sync_folder
from nodeflow.storage.unfinished import hidden_name, remove_abandoned

_BATCH: Final = 2**20
_MAX_LENGTH: Final = 400
_MAX_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class Uploads:
    """The files of one client.

    Attributes:
        turn: Held by whoever gives a file its name, so that several at once do not share the same rest of a quota.
    """

    home: Home
    limits: Limits
    pictures: Pictures
    client: str
    turn: asyncio.Lock

    @property
    def folder(self) -> Path:
        """Where they are."""
        return places_of(self.home, self.client).uploads

    async def receive(
        self, name: str, pieces: AsyncIterator[bytes], *, replace: bool = False, upright: bool = False
    ) -> FileInfo:
        """Keeps a file under a name.

        Args:
            name: May have folders.
            pieces: The file.
            replace: Whether one that is there already goes; otherwise only the very same file is taken again.
            upright: Turn a picture by its EXIF first.

        Raises:
            Refusal: The name leaves the folder or is taken, the file is too large or of no kind that is taken, the
                quota is used up, the picture is damaged, or the disk is full.
        """
        place = self.place(name)
        hidden = place.with_name(hidden_name())
        try:
            await asyncio.to_thread(self._make_room, place)
            digest, size = await self._stream(hidden, pieces)
            media_type = await asyncio.to_thread(media_type_for, name, hidden)
            width = height = None
            if media_type in PICTURES:
                if upright:
                    digest, size = await self._turn(hidden, digest, size)
                info = await self.pictures.check(hidden)
                media_type, width, height = info.media_type, info.width, info.height
            async with self.turn:
                await asyncio.to_thread(self._check_room, place, size)
                await asyncio.to_thread(_publish, hidden, place, replace, name)
            modified = (await asyncio.to_thread(place.stat)).st_mtime
        except OSError as error:
            raise _failed(name, error) from error
        finally:
            await asyncio.to_thread(_discard, hidden)
        return FileInfo(
            name=name, bytes=size, media_type=media_type, modified=modified, sha256=digest, width=width, height=height
        )

    def place(self, name: str) -> Path:
        """Where a file of this name is, or would be.

        Raises:
            Refusal: The name leaves the folder, or is none that every system takes.
        """
        return contained(self.folder, name)

    def find(self, name: str) -> Path:
        """The file that a document of this client means by a name: one of its own, else one that all have.

        Raises:
            Refusal: There is none.
        """
        for folder in places_of(self.home, self.client).inputs:
            if (place := _there(folder, name)) is not None:
                return place
        raise _unknown(name)

    def listing(self, *, shared: bool = False) -> list[tuple[str, int, float]]:
        """Name, size and time of all files, by name; ``shared`` for those that all clients have."""
        return sorted(_below(self.home.input if shared else self.folder, ""))

    def trash(self, name: str) -> None:
        """Takes a file away; it stays in the trash for a while, unless what comes after it takes the room.

        Raises:
            Refusal: There is no such file, or the disk does not let it.
        """
        place = _there(self.folder, name)
        if place is None:
            raise _unknown(name)
        graves = self.home.trash / "uploads" / self.client
        grave = graves / new_id() / relative_name(name)
        try:
            grave.parent.mkdir(parents=True)
            place.replace(grave)
            sync_folder(place.parent)
            remove_oldest(graves, self.limits.quota, math.inf)
        except OSError as error:
            raise _failed(name, error) from error

    def _make_room(self, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(place.parent)

    async def _stream(self, hidden: Path, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Writes the pieces; hashing and writing are done in a thread, a batch at a time."""
        used = await asyncio.to_thread(self._used)
        digest, size, batch = hashlib.sha256(), 0, bytearray()
        file = await asyncio.to_thread(hidden.open, "xb")
        try:
            async for piece in pieces:
                size += len(piece)
                self._check_size(size, used)
                batch += piece
                if len(batch) >= _BATCH:
                    await asyncio.to_thread(_write, file, digest.update, bytes(batch))
                    batch.clear()
            await asyncio.to_thread(_write, file, digest.update, bytes(batch), last=True)
        finally:
            await asyncio.to_thread(file.close)
        return digest.hexdigest(), size

    def _check_room(self, place: Path, size: int) -> None:
        """Others may have come while this one was sent; the one that it replaces, or that it is, does not count."""
        before = place.stat().st_size if place.is_file() else 0
        self._check_size(size, self._used() - before)

    def _used(self) -> int:
        return sum(size for _, size, _ in self.listing())

    def _check_size(self, size: int, used: int) -> None:
        if size > self.limits.upload:
            raise Refusal("request.too-large", f"the file has more than the {self.limits.upload:,} bytes it may have")
        if used + size > self.limits.quota:
            raise Refusal(
                "request.too-large",
                f"your files would take more than the {self.limits.quota:,} bytes you may have",
                hint="delete some with DELETE /api/v1/files/NAME",
            )

    async def _turn(self, hidden: Path, digest: str, size: int) -> tuple[str, int]:
        """Turns the picture in a file; an upright one is left alone."""
        data, _ = await self.pictures.upright(hidden)
        turned = hashlib.sha256(data).hexdigest()
        if turned != digest:
            await asyncio.to_thread(replace_file, hidden, data)
        return turned, len(data)


def contained(folder: Path, name: str) -> Path:
    """Where a file of this name is in a folder, or would be; neither the name nor a link leads out of it.

    Raises:
        Refusal: The name leaves the folder, is hidden, or is none that every system takes.
    """
    try:
        relative = relative_name(name)
        if len(name) > _MAX_LENGTH or len(relative.parts) > _MAX_DEPTH:
            raise NameRefused(f"it may have {_MAX_LENGTH} characters and {_MAX_DEPTH} parts")
        if any(part[0] == "." or part[-1] in " ." for part in relative.parts):
            raise NameRefused("no part may begin with a dot, or end with one or with a space")
        place = folder / relative
        if not contains(folder, place.parent) or place.is_symlink():
            raise NameRefused("a link there leads elsewhere")
        return place
    except (NameRefused, UnicodeError, OSError) as error:
        raise Refusal("request.invalid", f"the name {name[:200]!r} cannot be used: {error}") from None


def _there(folder: Path, name: str) -> Path | None:
    """The file of a name in a folder."""
    with suppress(Refusal, OSError, ValueError):
        place = contained(folder, name)
        if place.is_file():
            return place
    return None


def _unknown(name: str) -> Refusal:
    return Refusal("file.unknown", f"there is no file {name[:200]!r} of yours")


def _write(file: BinaryIO, hashed: Callable[[bytes], None], data: bytes, *, last: bool = False) -> None:
    hashed(data)
    file.write(data)
    if last:
        file.flush()
        os.fsync(file.fileno())


def _publish(hidden: Path, place: Path, replace: bool, name: str) -> None:
    """Gives a complete file its name in one step."""
    if replace:
        hidden.replace(place)
    else:
        try:
            os.link(hidden, place)
        except FileExistsError:
            if not _equal(hidden, place):
                hint = "choose another name, or send it with ?replace=true"
                raise Refusal("file.exists", f"there is another file {name!r} already", hint=hint) from None
    sync_folder(place.parent)


def _equal(one: Path, other: Path) -> bool:
    if not other.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        return hashlib.file_digest(first, "sha256").digest() == hashlib.file_digest(second, "sha256").digest()


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, int, float]]:
    """Visible files below a folder; links are no files of the client."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _below(folder / entry.name, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield prefix + entry.name, status.st_size, status.st_mtime


def _discard(hidden: Path) -> None:
    with suppress(OSError):  # it never came to be, or has its name by now
        hidden.unlink(missing_ok=True)


def _failed(name: str, error: OSError) -> Refusal:
    reason = (error.strerror or type(error).__name__).lower()
    hint = "the disk of the server has to have room, and its folder of uploads to be writable"
    return Refusal("server.storage", f"the file {name[:200]!r} could not be kept: {reason}", hint=hint)
