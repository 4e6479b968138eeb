"""The nodes that turn text into conditioning: learned words, limits, layers, and schedules of prompts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodeflow.api import InputError
from nodeflow.core.run import Quiet
from nodeflow.diffusion.types import Conditioning
from nodeflow.testing import InvalidDocument, run_node
from nodeflow_nodes.conditioning import (
    PromptRow,
    clip_set_last_layer,
    clip_set_token_limit,
    clip_text_encode,
    prompt_schedule,
)
from nodeflow_nodes.loaders import Loaded

WIDTH = 8


class WithWords(Quiet):
    """A run that has one learned word, and keeps warnings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []

    def model_file(self, kind: str, name: str) -> Path:
        assert kind == "embeddings"
        return self.folder / f"{name}.safetensors"

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def words(loaded: Loaded, tmp_path: Path) -> WithWords:
    """`embedding:pet` says what "cat" says."""
    table = dict(loaded.clip.network.named_parameters())["embeddings.token_embedding.weight"]
    save_file({"emb_params": table[loaded.clip.tokenizer.encode("cat")].clone()}, tmp_path / "pet.safetensors")
    save_file({"emb_params": torch.ones(1, 768)}, tmp_path / "foreign.safetensors")
    return WithWords(tmp_path)


def same(one: Conditioning, other: Conditioning) -> None:
    assert len(one.entries) == len(other.entries)
    for left, right in zip(one.entries, other.entries, strict=True):
        torch.testing.assert_close(left.context, right.context)


def test_a_learned_word_says_what_its_vectors_say(loaded: Loaded, words: WithWords) -> None:
    found = clip_text_encode(loaded.clip, "a (embedding:pet:1.2) here", run=words)
    same(found, clip_text_encode(loaded.clip, "a (cat:1.2) here"))
    assert words.warnings == []


def test_a_word_for_another_text_encoder_is_told_of_the_text(loaded: Loaded, words: WithWords) -> None:
    with pytest.raises(InputError, match=r"^text: foreign\.safetensors: it has vectors of 768 features.*takes 8"):
        clip_text_encode(loaded.clip, "embedding:foreign", run=words)


def test_a_limit_cuts_the_text_and_says_what_is_left_out(loaded: Loaded, words: WithWords) -> None:
    clip = clip_set_token_limit(loaded.clip, 3)
    same(clip_text_encode(clip, "a red cat on a mat", run=words), clip_text_encode(loaded.clip, "a red cat"))
    assert words.warnings == ["the text was cut after 3 tokens; left out: on a mat"]
    clip_text_encode(clip, "word " * 500, run=words)
    assert words.warnings[1].endswith(" word word…")
    assert len(words.warnings[1]) < 300


def test_no_limit_cuts_nothing(loaded: Loaded, words: WithWords) -> None:
    clip = clip_set_token_limit(clip_set_token_limit(loaded.clip, 3), 0)
    assert clip_text_encode(clip, "word " * 100, run=words).entries[0].context.shape[1] == 154
    assert words.warnings == []


@pytest.mark.parametrize(("number", "skip"), [(-1, 0), (-2, 0), (-24, 0)])
def test_the_last_layer_is_taken_where_there_are_no_more(number: int, skip: int, loaded: Loaded) -> None:
    assert clip_set_last_layer(loaded.clip, number).skip == skip


def test_layers_are_counted_as_in_comfyui(loaded: Loaded) -> None:
    for wrong in (0, -25):
        with pytest.raises(InvalidDocument, match=r"stop_at_clip_layer: .* range"):
            run_node(clip_set_last_layer, clip=loaded.clip, stop_at_clip_layer=wrong)


def test_each_text_of_a_schedule_holds_in_its_time(loaded: Loaded) -> None:
    rows = [PromptRow(text="a cat", end=0.5), PromptRow(text="a dog", start=0.25)]
    found = prompt_schedule(loaded.clip, rows)
    assert [(entry.start, entry.end) for entry in found.entries] == [(0.0, 0.5), (0.25, 1.0)]
    same(Conditioning(found.entries[1:]), clip_text_encode(loaded.clip, "a dog"))


@pytest.mark.parametrize("steps", [2, 5, 20, 21])
@pytest.mark.parametrize("places", [lambda i, n: i / (n - 1), lambda i, n: i / n], ids=["normal", "simple"])
def test_steps_are_told_apart_wherever_even_schedules_put_them(
    steps: int, places: Callable[[int, int], float], loaded: Loaded
) -> None:
    for switch in range(1, steps):
        rows = [PromptRow(text="a cat", end=switch), PromptRow(text="a dog", start=switch)]
        first, second = prompt_schedule(loaded.clip, rows, steps).entries
        for step in range(steps):
            place = places(step, steps)
            assert (first.start <= place <= first.end, second.start <= place <= second.end) == (
                step < switch,
                step >= switch,
            )


WRONG: tuple[tuple[Sequence[dict[str, Any]], int, str], ...] = (
    (
        [{"text": "a", "start": 0.5, "end": 0.5}],
        0,
        r"rows\[0\]: from 0.5 to 0.5 is no time; these are shares of the run",
    ),
    ([{"text": "a", "end": 5}], 0, r"rows\[0\]: from 0 to 5 is no time; .*for steps set their number in `steps`"),
    ([{"text": "a"}, {"text": "b", "end": 21}], 20, r"rows\[1\]: from 0 to 21 is no time; these are steps of 20"),
    ([{"text": "a", "end": 0.4}, {"text": "b", "start": 0.6}], 0, "rows: from 0.4 to 0.6 no text holds"),
    ([{"text": "a", "start": 2}], 20, "rows: from 0 to 2 no text holds"),
    ([{"text": "a", "end": 5}, {"text": "b", "end": 9}], 20, "rows: from 9 to 20 no text holds"),
)


@pytest.mark.parametrize(("rows", "steps", "expected"), WRONG)
def test_times_that_are_none_and_gaps_are_told_beforehand(
    rows: Sequence[dict[str, Any]], steps: int, expected: str, loaded: Loaded
) -> None:
    with pytest.raises(InputError, match=f"^{expected}"):
        prompt_schedule(loaded.clip, [PromptRow(**row) for row in rows], steps)
    with pytest.raises(InvalidDocument, match=expected.partition(": ")[2].replace("^", "")):
        run_node(prompt_schedule, clip=loaded.clip, rows=list(rows), steps=steps)


def test_a_schedule_needs_a_text(loaded: Loaded) -> None:
    with pytest.raises(InvalidDocument, match=r"rows: 0 items; .*expected at least 1 items"):
        run_node(prompt_schedule, clip=loaded.clip, rows=[])


def test_a_schedule_knows_learned_words(loaded: Loaded, words: WithWords) -> None:
    found = prompt_schedule(loaded.clip, [PromptRow(text="embedding:pet")], run=words)
    same(found, clip_text_encode(loaded.clip, "cat"))
    with pytest.raises(InputError, match=r"^rows\[0\]\.text: foreign\.safetensors"):
        prompt_schedule(loaded.clip, [PromptRow(text="embedding:foreign")], run=words)
