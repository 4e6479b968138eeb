"""Nodes between pictures and latents."""

from typing import Annotated

from nodeflow.api import Field, Run, node, quiet
from nodeflow.diffusion.types import Image, Latent, Vae
from nodeflow_nodes.refusals import blaming

Tile = Annotated[int, Field(ge=64, le=4096)]
Overlap = Annotated[int, Field(ge=0, le=4096)]


@node("VAEDecode", category="latent", title="VAE decode")
def vae_decode(latent: Latent, vae: Vae, *, run: Run = quiet) -> Image:
    """Turn latents into pictures; where memory does not do for a whole one, in tiles.

    Args:
        latent: What the sampler made.
        vae: The autoencoder that came with the model.
    """
    from nodeflow.diffusion import autoencoding

    with blaming("latent", network="vae"):
        image, in_tiles = autoencoding.decode_in_room(vae, latent)
    tell_tiles(in_tiles, image, run, "decoded")
    return image


@node("VAEDecodeTiled", category="latent", title="VAE decode in tiles")
def vae_decode_tiled(latent: Latent, vae: Vae, tile_size: Tile = 512, overlap: Overlap = 64) -> Image:
    """Turn latents into pictures tile by tile, in much less memory; tiles fade into each other.

    Args:
        latent: What the sampler made.
        vae: The autoencoder that came with the model.
        tile_size: Side of a tile in pixels.
        overlap: How far neighbours lie over each other, in pixels; at most a quarter of a tile is used.
    """
    from nodeflow.diffusion import autoencoding

    with blaming("latent", network="vae"):
        return autoencoding.decode_tiled(vae, latent, tile_size, overlap)


@node("VAEEncode", category="latent", title="VAE encode")
def vae_encode(image: Image, vae: Vae, *, run: Run = quiet) -> Latent:
    """Turn pictures into latents, for the sampler to start from.

    Args:
        image: The pictures; what exceeds a multiple of 8 pixels is cut off on both sides, transparency is left out.
        vae: The autoencoder that came with the model.
    """
    from nodeflow.diffusion import autoencoding

    with blaming("image", network="vae"):
        latent, in_tiles = autoencoding.encode_in_room(vae, image)
    tell_tiles(in_tiles, image, run)
    tell_cut(latent, image, run)
    return latent


@node("VAEEncodeTiled", category="latent", title="VAE encode in tiles")
def vae_encode_tiled(
    image: Image, vae: Vae, tile_size: Tile = 512, overlap: Overlap = 64, *, run: Run = quiet
) -> Latent:
    """Turn pictures into latents tile by tile, in much less memory; tiles fade into each other.

    Args:
        image: The pictures; what exceeds a multiple of 8 pixels is cut off on both sides, transparency is left out.
        vae: The autoencoder that came with the model.
        tile_size: Side of a tile in pixels.
        overlap: How far neighbours lie over each other, in pixels; at most a quarter of a tile is used.
    """
    from nodeflow.diffusion import autoencoding

    with blaming("image", network="vae"):
        latent = autoencoding.encode_tiled(vae, image, tile_size, overlap)
    tell_cut(latent, image, run)
    return latent


def tell_tiles(in_tiles: bool, image: Image, run: Run, done: str = "encoded") -> None:
    """Warns where memory did not do for a whole picture, whose colours may differ a little for it."""
    if in_tiles:
        run.warn(f"memory did not do for {image.width} x {image.height} pixels at once: {done} in tiles of 512")


def tell_cut(latent: Latent, image: Image, run: Run) -> None:
    """Warns where a latent shows less than the picture it was made of."""
    if (latent.width, latent.height) != (image.width, image.height):
        before, after = f"{image.width}x{image.height}", f"{latent.width}x{latent.height}"
        run.warn(
            f"the picture was cut from {before} to {after}, multiples of {latent.factor}; ImageScale changes its size"
        )
