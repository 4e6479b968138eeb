"""Frames come out as they went in, however the stream cuts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.protocol.frames import MAX_HEAD, BrokenStream, Frame, Unpacker, pack
from nodeflow.protocol.work import TO_WORKER, Cancel, Run

messages = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=300)), max_size=6)


@given(messages, st.integers(1, 64))
def test_frames_survive_any_cut(found: list[tuple[str, bytes]], size: int) -> None:
    stream = b"".join(pack(Cancel(job=job), body) for job, body in found)
    unpacker = Unpacker()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    frames = [frame for piece in pieces for frame in unpacker.feed(piece)]
    assert [(TO_WORKER.validate_json(frame.head).job, frame.body) for frame in frames] == found


def test_a_document_travels_beside_its_job_untouched() -> None:
    document = '{"nodes": "ü \ud800"}'.encode("utf-8", "surrogatepass")
    (frame,) = Unpacker().feed(pack(Run(job="a", attempt=1, output_dir="/o"), document))
    assert frame == Frame(frame.head, document)


def test_a_text_that_is_no_unicode_is_told_as_far_as_it_is() -> None:
    (frame,) = Unpacker().feed(pack(Cancel(job="caf\udce9")))
    assert TO_WORKER.validate_json(frame.head) == Cancel(job="caf?")


def test_a_length_that_no_message_has_breaks_the_stream() -> None:
    with pytest.raises(BrokenStream, match="more than any message has"):
        list(Unpacker().feed((MAX_HEAD + 1).to_bytes(4, "big") + bytes(4)))
