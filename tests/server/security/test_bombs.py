"""Pictures that are small on the wire and vast in memory, sent to every route that takes pictures."""

import io
import os
import struct
import time
import zlib
from pathlib import Path

from PIL import Image

from tests.server.serving import API
from tests.server.test_pictures import BOMBS, many_frames

PATIENCE = 1.0
MEMORY = 200 * 2**20


def with_texts():
    """A tiny PNG whose compressed texts become 600 MB."""
    stream = io.BytesIO()
    Image.new("L", (2, 2)).save(stream, "PNG")
    whole, packed = stream.getvalue(), zlib.compress(bytes(60_000_000), 1)
    texts = [b"zTXt" + b"t%d\0\0" % number + packed for number in range(10)]
    chunks = [struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)) for text in texts]
    return whole[:33] + b"".join(chunks) + whole[33:]


def resident(pid, peak=False):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:" if peak else "VmRSS:")[1].split()[0]) * 1024


def test_bombs_cost_neither_the_server_nor_its_picture_process(server):
    server.do(server.parts.pictures.start())
    document = b'{"nodeflow": 1, "nodes": {}}'
    server.ask("PUT", f"{API}/documents/bombed", document, headers={"Content-Type": "application/json"})
    bombs = [*BOMBS, *many_frames(), with_texts()]
    before = resident(os.getpid())
    for number, bomb in enumerate(bombs):
        for ask in (
            lambda bomb=bomb, number=number: server.put(f"bomb{number}.png", bomb),
            lambda bomb=bomb, number=number: server.put(f"turned{number}.png", bomb, "?upright=true"),
            lambda bomb=bomb: server.ask(
                "PUT",
                f"{API}/documents/bombed/thumbnail",
                bomb,
                token=server.token,
                headers={"Content-Type": "application/octet-stream"},
            ),
        ):
            began = time.perf_counter()
            answer = ask()
            assert time.perf_counter() - began < PATIENCE, number
            assert (answer.status, answer.code) == (422, "picture.refused"), (number, answer)
    assert resident(server.parts.pictures.pid, peak=True) < MEMORY
    assert resident(os.getpid()) - before < MEMORY
    assert [path for path in server.home.uploads.rglob("*") if path.is_file()] == []
