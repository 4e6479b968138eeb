"""Switching, repeating, and plain values."""

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.api import Blocked, Graph, later
from nodeflow_nodes.conditioning import clip_text_encode
from nodeflow_nodes.control import gate, repeat, switch
from nodeflow_nodes.latents import empty_latent
from nodeflow_nodes.loaders import load_checkpoint
from nodeflow_nodes.primitives import boolean, integer, number, text


class Forbidden:
    """A lazy input that nobody may ask for."""

    def __await__(self) -> Generator[Any, Any, str]:
        pytest.fail("the branch that was not taken was computed")
        yield


def test_the_other_branch_is_never_computed() -> None:
    assert asyncio.run(switch(True, later("yes"), Forbidden())) == "yes"
    assert asyncio.run(switch(False, Forbidden(), later("no"))) == "no"


def test_an_open_gate_hands_its_value_on_and_a_closed_one_computes_none() -> None:
    assert asyncio.run(gate(later("a"))) == "a"
    assert asyncio.run(gate(Forbidden(), False, "too dark")) == Blocked("too dark")


def test_plain_values_are_handed_on() -> None:
    assert (text("a"), number(0.5), integer(3), boolean(True)) == ("a", 0.5, 3, True)


def recorded(**settings: Any) -> tuple[Graph, object]:
    """What Repeat records between a checkpoint and nothing."""
    graph = Graph()
    model, clip, _ = graph(load_checkpoint)(Path("micro.safetensors"))
    prompt = graph(clip_text_encode)(clip, "a cat")
    return graph, repeat(graph, model, prompt, prompt, graph(empty_latent)(64, 64), **settings)


def test_each_pass_starts_from_the_one_before_with_the_next_seed() -> None:
    graph, last = recorded(times=3, seed=7, denoise=0.4)
    passes = [node for node in graph.nodes.values() if node.spec.id == "KSampler"]
    assert [node.inputs["seed"] for node in passes] == [7, 8, 9]
    assert [str(node.inputs["latent"]) for node in passes] == [
        "empty_latent.latent",
        "k_sampler.latent",
        "k_sampler_2.latent",
    ]
    assert {node.inputs["denoise"] for node in passes} == {0.4}
    assert str(last) == "k_sampler_3.latent"


def test_no_pass_hands_the_latent_on() -> None:
    _, last = recorded(times=0)
    assert str(last) == "empty_latent.latent"


def test_each_pass_may_enlarge_first() -> None:
    graph, _ = recorded(times=2, scale_by=1.5)
    assert [node.spec.id for node in graph.nodes.values()][3:] == [
        "LatentUpscaleBy", "KSampler", "LatentUpscaleBy", "KSampler",
    ]  # fmt: skip


def test_the_seed_after_the_last_is_the_first() -> None:
    graph, _ = recorded(times=2, seed=2**53 - 1)
    assert [node.inputs["seed"] for node in graph.nodes.values() if node.spec.id == "KSampler"] == [2**53 - 1, 0]
