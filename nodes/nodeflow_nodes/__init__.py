"""The built-in node pack, written exactly as a plugin would be: on `nodeflow.api` and `nodeflow.diffusion` only."""

from nodeflow.api import Pack, Socket
from nodeflow.diffusion.sampling.names import SAMPLERS, SCHEDULES
from nodeflow.diffusion.types import Clip, Conditioning, Image, Latent, Mask, Model, Vae
from nodeflow_nodes.kinds import KINDS

pack = Pack(
    name="nodeflow_nodes",
    version="0.1.0",
    modules=(
        "loaders",
        "loras",
        "conditioning",
        "latents",
        "latent_math",
        "latent_batches",
        "items",
        "sampling",
        "vae",
        "images",
        "image_batches",
        "geometry",
        "filters",
        "masks",
        "compositing",
        "animations",
        "grids",
        "saving",
        "control",
        "lists",
        "primitives",
        "texts",
        "formulas",
        "folders",
        "showing",
        "loops",
    ),
    extensions={
        "samplers": {name: row.path for name, row in SAMPLERS.items()},
        "schedulers": SCHEDULES,
    },
    kinds=KINDS,
    sockets=(
        Socket(Model, "Model", "#b39ddb"),
        Socket(Clip, "Text encoder", "#ffd54f"),
        Socket(Vae, "Autoencoder", "#ff7f7f"),
        Socket(Conditioning, "Conditioning", "#ffa931", "nodeflow_nodes.codecs:conditioning"),
        Socket(Latent, "Latent", "#f48fb1", "nodeflow_nodes.codecs:latent"),
        Socket(Image, "Image", "#64b5f6", "nodeflow_nodes.codecs:image"),
        Socket(Mask, "Mask", "#81c784", "nodeflow_nodes.codecs:mask"),
    ),
)
