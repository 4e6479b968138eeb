"""Nodes for what is done to latents, once or at every step."""

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.latent_operations import SharpenLatent, TonemapReinhard
from nodeflow.diffusion.sampling.guidances.operated import OperatedGuidance
from nodeflow.diffusion.types import Item, Latent, Mask
from nodeflow.testing import run_node
from nodeflow_nodes.latent_operations import (
    latent_apply_operation,
    latent_apply_operation_cfg,
    latent_operation_sharpen,
    latent_operation_tonemap_reinhard,
)
from nodeflow_nodes.loaders import Loaded


def test_an_operation_is_applied_once_and_the_rest_of_the_latent_stays() -> None:
    latent = Latent(torch.randn(2, 4, 10, 12), None, (Item(1, 4), Item(3, 4)), Mask(torch.ones(1, 80, 96)))
    found = latent_apply_operation(latent, latent_operation_tonemap_reinhard(2.0))
    assert torch.equal(found.samples, TonemapReinhard(2.0)(latent.samples))
    assert found.items == latent.items
    assert found.noise_mask is latent.noise_mask


def test_a_latent_smaller_than_the_mask_is_the_fault_of_the_operation() -> None:
    with pytest.raises(InputError, match=r"^operation: radius 9 does not fit into 8x8"):
        latent_apply_operation(Latent(torch.randn(1, 4, 8, 8)), latent_operation_sharpen())


def test_a_model_carries_what_is_done_to_guidance(loaded: Loaded) -> None:
    model = latent_apply_operation_cfg(loaded.model, latent_operation_sharpen(3, 0.5, 0.2))
    assert model.guidance == (OperatedGuidance(SharpenLatent(3, 0.5, 0.2)),)
    assert model.network is loaded.model.network


def test_an_operation_travels_between_nodes() -> None:
    latent = Latent(torch.randn(1, 4, 4, 4))
    made = run_node(latent_operation_sharpen, sharpen_radius=2).value
    assert torch.equal(
        run_node(latent_apply_operation, latent=latent, operation=made).value.samples, made(latent.samples)
    )
