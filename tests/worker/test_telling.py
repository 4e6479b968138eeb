"""What a run tells of itself is held to what a server keeps."""

from pathlib import Path

from nodeflow.engine.events import Shown, Warned
from nodeflow.protocol.report import OutputReport, RunReport
from nodeflow.protocol.work import Happened, Occurrence
from nodeflow.worker.carrying import limited
from nodeflow.worker.telling import MOST_CHARACTERS, Teller


def test_what_is_shown_without_end_is_told_until_it_is_too_much(tmp_path: Path) -> None:
    told: list[Occurrence] = []

    def send(message: object, _: bytes) -> None:
        assert isinstance(message, Happened)
        told.extend(message.events)

    text = "x" * (MOST_CHARACTERS // 4)
    with Teller("job", 1, tmp_path, send) as teller:
        for _ in range(10):
            teller.tell(Shown("it", text))
        teller.tell(Warned("it", "short"))
    for message in teller.rest:
        send(message, b"")
    assert [event.kind for event in told] == ["shown"] * 3 + ["warning"]
    assert told[-1].data["message"] == "more than 8,388,608 characters shown in one run; the rest of them is not told"


def test_a_report_that_no_message_can_hold_keeps_its_files_and_says_what_is_left_out() -> None:
    long = "x" * (MOST_CHARACTERS // 2)
    output = OutputReport(type="str", value=long, paths=["a.txt"])
    small = RunReport(status="ok", exit_code=0, outputs={"it": output})
    assert limited(small) == small
    cut = limited(RunReport(status="ok", exit_code=0, outputs={"it": output}, shown={"it": [long]}))
    assert (cut.shown, cut.outputs["it"].value, cut.outputs["it"].paths) == ({}, None, ["a.txt"])
    assert "8,388,608 characters" in cut.warnings[-1].message
