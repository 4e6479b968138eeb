"""ComfyUI's names lead to ours."""

import pytest

from nodeflow_nodes.names import node_name, socket_name


@pytest.mark.parametrize(
    ("comfy", "ours"),
    [
        ("samples", "latent"),
        ("latent_image", "latent"),
        ("pixels", "image"),
        ("sampler_name", "sampler"),
        ("ckpt_name", "checkpoint"),
        ("lora_name", "lora"),
        ("scheduler", "scheduler"),
        ("LATENT", "latent"),
    ],
)
def test_sockets_follow_the_table(comfy: str, ours: str) -> None:
    assert socket_name(comfy) == ours


def test_nodes_keep_comfyui_names_unless_they_are_in_the_table() -> None:
    assert node_name("CheckpointLoaderSimple") == "LoadCheckpoint"
    assert node_name("KSampler") == "KSampler"
