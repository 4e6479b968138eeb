"""A session on the embedded checkpoint with a home of its own, and eyes for what it made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeflow import Session
from nodeflow.diffusion.training.recognise import Recogniser

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("workflows")
    with Session(home=folder / "home", output_dir=folder / "output", device="cpu") as session:
        yield session


@pytest.fixture(scope="session")
def recogniser() -> Recogniser:
    return Recogniser()
