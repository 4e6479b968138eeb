"""Nodes whose work is known from outside: how long it takes, and how often it was begun."""

import os
import time
from pathlib import Path

from nodeflow.api import Kind, Lane, Pack, Run, Setting, node, quiet

pack = Pack("labour", "1.0.0", settings=(Setting("book", "", help="File that gets a line for each piece of work."),))

STEP = 0.01


@node("labour.Work", category="values", kind=Kind.EXTERNAL, lane=Lane.CPU)
def work(name: str, steps: int = 1, *, run: Run = quiet) -> str:
    """Take a hundredth of a second for each step, and hand the name on.

    Args:
        name: What the work is called in the book.
        steps: How long it takes.
    """
    book = str(run.setting("book"))
    if book:
        line = f"{name} {run.token}\n".encode()
        file = os.open(Path(book), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)
    for _ in run.track(range(steps), total=steps):
        time.sleep(STEP)
    return name
