"""Nodes that make one model of two."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.types import Prediction
from nodeflow_nodes import merging
from nodeflow_nodes.loaders import Loaded


def first(value: Any) -> torch.Tensor:
    return next(value.network.parameters())


def test_every_merge_of_a_model_with_itself_is_known(loaded: Loaded) -> None:
    model, clip = loaded.model, loaded.clip
    assert merging.model_merge_simple(model, model, 0.3) is model
    assert merging.model_merge_blocks(model, model, 0.1, 0.2, 0.3) is model
    assert merging.clip_merge_simple(clip, clip, 0.3) is clip
    assert torch.equal(first(merging.model_merge_add(model, model)), first(model) * 2)
    assert torch.equal(first(merging.clip_merge_add(clip, clip)), first(clip) * 2)
    assert not first(merging.model_merge_subtract(model, model, 5.0)).any()
    assert not first(merging.clip_merge_subtract(clip, clip)).any()


def test_models_that_mean_different_things_are_blended_with_a_warning(loaded: Loaded, recorder: Any) -> None:
    other = replace(loaded.model, prediction=Prediction.V)
    merging.model_merge_simple(loaded.model, other, 0.5, run=recorder)
    assert recorder.warnings == [
        "model1 predicts eps, model2 v: a blend of the two predicts neither; blend models of one kind"
    ]


def test_what_does_not_fit_is_told_of_the_second_input(loaded: Loaded) -> None:
    other = replace(loaded.model, network=loaded.vae.network, weights={})
    with pytest.raises(InputError, match=r"^model2: the two have different weights, such as"):
        merging.model_merge_add(loaded.model, other)
