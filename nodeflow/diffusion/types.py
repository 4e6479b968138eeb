"""The values that travel between nodes: pictures, latents, conditioning, networks, and how to sample.

All are frozen and check themselves when they are made; those with tensors compare by identity, and nobody may write
into their tensors. This module imports without torch.
"""

from nodeflow.diffusion.batches import Item
from nodeflow.diffusion.choices import Guider, NoiseChoice, SamplerChoice, Sigmas
from nodeflow.diffusion.conditionings import Area, Conditioning, Entry, Inpaint
from nodeflow.diffusion.latent_operations import LatentOperation
from nodeflow.diffusion.networks import Clip, Model, Prediction, Vae
from nodeflow.diffusion.rasters import Image, Latent, Mask

__all__ = [
    "Area",
    "Clip",
    "Conditioning",
    "Entry",
    "Guider",
    "Image",
    "Inpaint",
    "Item",
    "Latent",
    "LatentOperation",
    "Mask",
    "Model",
    "NoiseChoice",
    "Prediction",
    "SamplerChoice",
    "Sigmas",
    "Vae",
]
