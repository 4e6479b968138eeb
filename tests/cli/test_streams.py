"""Standard output and error of the shell: who writes what, on a terminal and elsewhere."""

import io
import os
import sys

import pytest
import torch

from nodeflow.cli import main as shell_main
from nodeflow.cli.progress import BarDisplay, LineDisplay, display, text_of
from nodeflow.cli.streams import reserved_stdout
from nodeflow.diffusion.types import Image, Mask
from nodeflow.engine.events import (
    Event,
    NodeFinished,
    NodeStarted,
    Progress,
    Saved,
    Shown,
    Status,
    Waiting,
    Warned,
)

EVENTS = (
    NodeStarted("sample"),
    Progress("sample", 1, 2),
    Warned("sample", "the prompt was [cut]"),
    Progress("sample", 2, 2),
    NodeFinished("sample", Status.RAN, 1.25),
    NodeFinished("decode", Status.RAN, 0.1),
    Saved("save", "output/cat_00001.png"),
    Warned("", "the disk is full"),
)


def test_lines_sum_up_steps() -> None:
    stream = io.StringIO()
    with display(stream) as shown:
        assert isinstance(shown, LineDisplay)
        for event in EVENTS:
            shown.show(event)
    assert stream.getvalue().splitlines() == [
        "warning: sample: the prompt was [cut]",
        "sample: 2 steps in 1.2 s",
        "save: wrote output/cat_00001.png",
        "warning: the disk is full",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_per_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with display(terminal) as shown:
        assert isinstance(shown, BarDisplay)
        for event in EVENTS:
            shown.show(event)
    text = terminal.getvalue()
    assert "2/2" in text
    assert "sample" in text
    assert "warning: sample: the prompt was [cut]" in text


def test_nothing_is_said_about_the_usual() -> None:
    assert text_of(NodeStarted("a")) is None


def test_standard_output_is_reserved_down_to_the_descriptor(capfd: pytest.CaptureFixture[str]) -> None:
    with reserved_stdout() as out:
        print("printed")
        os.write(1, b"written to descriptor 1\n")
        out.write(b"result\n")
    print("afterwards")
    sys.stdout.flush()
    captured = capfd.readouterr()
    assert captured.out == "result\nafterwards\n"
    assert "printed" in captured.err
    assert "written to descriptor 1" in captured.err


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (MemoryError(), 6), (BrokenPipeError(), 0), (SystemExit("x"), 2)]
)
def test_other_endings_have_their_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(words: object) -> int:
        raise error

    monkeypatch.setattr(shell_main, "_dispatch", fail)
    kept = os.dup(1)
    try:
        assert shell_main.main([]) == code
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Shown("t", "one\ntwo"), "t:\n  one\n  two"),
        (Shown("t", {"a": [1, 2]}), 't: {"a": [1, 2]}'),
        (Shown("p", Image(torch.zeros(2, 4, 6, 3))), "p: 2 pictures of 6 x 4"),
        (Shown("p", Mask(torch.zeros(1, 4, 6))), "p: a picture of 6 x 4"),
        (Waiting("ask", 1.5, "busy", 1), "ask: waits 1.5 s to be called again: busy"),
        (Waiting("ask", 2, "", 2), "ask: waits 2 s to be called again"),
        (NodeFinished("n", Status.SKIPPED, 0, "the gate is closed"), "n: did not run: the gate is closed"),
        (Saved("save", "output/a.png", unchanged=True), "save: output/a.png is unchanged"),
    ],
)
def test_what_is_worth_knowing_is_said_in_words(event: Event, text: str) -> None:
    assert text_of(event) == text
