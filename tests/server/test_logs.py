"""Lines of the log are JSON, one an event, whatever a client put into them."""

import io
import json
import logging

import pytest

from nodeflow.protocol.events import JobEvent
from nodeflow.server.logs import log_event, log_to

JOB = "0" * 26


def logged(level: int = logging.INFO, scrub: object = str) -> tuple[io.StringIO, object]:
    stream = io.StringIO()
    return stream, log_to(stream, level, scrub)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a\nb", "a\r\n{}", "\x1b[2J\x07", "\u2028\u202e\x85", "\ud800", 'x", "level": "fake'])
def test_what_a_client_made_up_stays_inside_its_line(name: str) -> None:
    stream, end = logged()
    logging.getLogger("nodeflow.server").warning("file %s", name, extra={"job": JOB, "route": name})
    end()  # type: ignore[operator]
    line = stream.getvalue()
    assert line.isascii()
    assert line.isprintable() or line[:-1].isprintable()
    told = json.loads(line)
    assert (told["message"], told["route"], told["job"]) == (f"file {name}", name, JOB)
    assert (told["level"], told["logger"]) == ("warning", "nodeflow.server")


def test_secrets_are_masked_in_message_fields_and_traceback() -> None:
    stream, end = logged(scrub=lambda text: text.replace("sesame", "***"))
    try:
        raise ValueError("sesame")
    except ValueError:
        logging.getLogger("nodeflow.server").exception("key %s", "sesame", extra={"route": "/sesame", "ms": 1.5})
    end()  # type: ignore[operator]
    told = json.loads(stream.getvalue())
    assert "sesame" not in stream.getvalue()
    assert "ValueError: ***" in told["traceback"]
    assert told["ms"] == 1.5


def test_the_steps_of_a_job_are_in_the_log_under_its_id_and_its_progress_is_not() -> None:
    stream, end = logged()
    for seq, (kind, data) in enumerate(
        [
            ("queued", {}),
            ("attempt", {"number": 1, "worker": "cpu-0"}),
            ("node.progress", {"node": "n", "step": 1}),
            ("node.failed", {"node": "n", "message": "no", "traceback": "File …"}),
            ("finished", {"state": "failed"}),
        ],
        1,
    ):
        log_event(JobEvent(job=JOB, seq=seq, at=1.0, kind=kind, data=data))
    end()  # type: ignore[operator]
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["message"] for each in told] == [
        "queued",
        "attempt: number 1, worker cpu-0",
        "node.failed: node n, message no",
        "finished: state failed",
    ]
    assert {each["job"] for each in told} == {JOB}
    assert [each["event"] for each in told] == ["queued", "attempt", "node.failed", "finished"]


def test_the_log_is_as_before_once_it_has_ended() -> None:
    stream, end = logged()
    end()  # type: ignore[operator]
    logging.getLogger("nodeflow").warning("late")
    assert stream.getvalue() == ""
    assert logging.getLogger("nodeflow").propagate
