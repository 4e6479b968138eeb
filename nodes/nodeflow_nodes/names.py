"""What ComfyUI calls the nodes and sockets that go by another name here."""

from collections.abc import Mapping
from types import MappingProxyType

NODES: Mapping[str, str] = MappingProxyType(
    {
        "CheckpointLoaderSimple": "LoadCheckpoint",
        "EmptyLatentImage": "EmptyLatent",
    }
)
"""ComfyUI's class name to our type id, where they differ."""

SOCKETS: Mapping[str, str] = MappingProxyType(
    {
        "ckpt_name": "checkpoint",
        "latent_image": "latent",
        "pixels": "image",
        "sampler_name": "sampler",
        "samples": "latent",
        "samples1": "latent1",
        "samples2": "latent2",
        "samples_from": "latent_from",
        "samples_to": "latent_to",
    }
)
"""ComfyUI's input or output name to ours, where they differ by more than a final ``_name``."""


def node_name(comfy: str) -> str:
    """Our type id for ComfyUI's class name."""
    return NODES.get(comfy, comfy)


def socket_name(comfy: str) -> str:
    """Our name for ComfyUI's input or output name; outputs, which it writes in capitals, in lower case."""
    lower = comfy.lower()
    return SOCKETS.get(lower, lower.removesuffix("_name"))
