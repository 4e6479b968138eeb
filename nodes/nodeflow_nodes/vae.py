"""Nodes between pictures and latents."""

from nodeflow.api import Run, node, quiet
from nodeflow.diffusion.types import Image, Latent, Vae
from nodeflow_nodes.refusals import blaming


@node("VAEDecode", category="latent", title="VAE decode")
def vae_decode(latent: Latent, vae: Vae) -> Image:
    """Turn latents into pictures.

    Args:
        latent: What the sampler made.
        vae: The autoencoder that came with the model.
    """
    from nodeflow.diffusion import autoencoding

    with blaming("latent", network="vae"):
        return autoencoding.decode(vae, latent)


@node("VAEEncode", category="latent", title="VAE encode")
def vae_encode(image: Image, vae: Vae, *, run: Run = quiet) -> Latent:
    """Turn pictures into latents, for the sampler to start from.

    Args:
        image: The pictures; what exceeds a multiple of 8 pixels is cut off on both sides, transparency is left out.
        vae: The autoencoder that came with the model.
    """
    from nodeflow.diffusion import autoencoding

    with blaming("image", network="vae"):
        latent = autoencoding.encode_image(vae, image)
    if (latent.width, latent.height) != (image.width, image.height):
        before, after = f"{image.width}x{image.height}", f"{latent.width}x{latent.height}"
        run.warn(
            f"the picture was cut from {before} to {after}, multiples of {latent.factor}; ImageScale changes its size"
        )
    return latent
