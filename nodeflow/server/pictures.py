"""Pictures are decoded in a process of their own, which may do little else; this is its supervisor."""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from nodeflow.protocol.errors import Refusal
from nodeflow.protocol.pictures import Ask, Told
from nodeflow.server.settings import Limits

_PROGRAM: Final = "nodeflow.worker.pictures"
_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT")
"""What of the environment the process gets: no secrets, no tokens."""
_SECONDS: Final = 10.0
_PIECE: Final = 2**20


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a picture file is."""

    media_type: str
    width: int
    height: int
    frames: int


class Pictures:
    """Looks into pictures of unknown origin, one after the other."""

    def __init__(self, limits: Limits, *, seconds: float = _SECONDS) -> None:
        self._limits = limits
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """That of the process, while there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Have the process ready before the first picture comes."""
        async with self._turn:
            await self._ready()

    async def aclose(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def check(self, picture: bytes | Path) -> PictureInfo:
        """What a picture is.

        Raises:
            Refusal: It is no PNG, JPEG or WebP file, too large, or damaged.
        """
        told, _ = await self._ask("check", picture)
        return _info(told)

    async def upright(self, picture: bytes | Path) -> tuple[bytes, PictureInfo]:
        """The picture as it is meant to be seen: turned by its EXIF, which is then gone; one that is upright as it is.

        Raises:
            Refusal: It is no PNG, JPEG or WebP file, too large, or damaged.
        """
        data = await _bytes(picture)
        told, body = await self._ask("upright", data)
        return body or data, _info(told)

    async def thumbnail(self, picture: bytes | Path, size: int) -> bytes:
        """A WebP whose longer side is at most ``size``.

        Raises:
            Refusal: It is no PNG, JPEG or WebP file, too large, or damaged.
        """
        _, body = await self._ask("thumbnail", picture, size)
        return body

    async def _ask(
        self, what: Literal["check", "upright", "thumbnail"], picture: bytes | Path, size: int = 0
    ) -> tuple[Told, bytes]:
        data = await _bytes(picture)
        async with self._turn:
            try:
                async with asyncio.timeout(self._seconds):
                    told, body = await self._exchange(Ask(what=what, length=len(data), size=size), data)
            except TimeoutError:
                await self._end()
                raise Refusal("picture.refused", f"decoding the picture took more than {self._seconds:g} s") from None
            except (OSError, EOFError, ValidationError):
                await self._end()
                raise Refusal("picture.refused", "decoding the picture ended the process set apart for it") from None
            except BaseException:  # half an answer is of no use to the next
                await self._end()
                raise
        if told.refused:
            raise Refusal("picture.refused", told.refused)
        return told, body

    async def _exchange(self, ask: Ask, data: bytes) -> tuple[Told, bytes]:
        process = await self._ready()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(ask.model_dump_json().encode() + b"\n")
        for start in range(0, len(data), _PIECE):
            process.stdin.write(data[start : start + _PIECE])
            await process.stdin.drain()
        told = Told.model_validate_json(await process.stdout.readuntil(b"\n"))
        return told, await process.stdout.readexactly(told.length)

    async def _ready(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            limits = (str(self._limits.pixels), str(self._limits.frames))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", _PROGRAM, *limits),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ} | {"PYTHONNOUSERSITE": "1"},
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _bytes(picture: bytes | Path) -> bytes:
    return picture if isinstance(picture, bytes) else await asyncio.to_thread(picture.read_bytes)


def _info(told: Told) -> PictureInfo:
    return PictureInfo(told.media_type, told.width, told.height, told.frames)
