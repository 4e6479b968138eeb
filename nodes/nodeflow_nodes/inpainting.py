"""Nodes for painting a part of a picture anew, and for changing a picture as a text says."""

from dataclasses import replace
from typing import Annotated, NamedTuple

from nodeflow.api import Field, Fraction, Lane, Run, node, quiet
from nodeflow.diffusion.types import Conditioning, Image, Latent, Mask, Model, Vae
from nodeflow_nodes.refusals import blaming
from nodeflow_nodes.vae import tell_cut, tell_tiles


class Told(NamedTuple):
    """Conditionings that tell the model a picture too, and a latent to start from.

    Attributes:
        positive: What the picture should show, and the picture there is.
        negative: What it should avoid, and the picture there is.
        latent: Where to start.
    """

    positive: Conditioning
    negative: Conditioning
    latent: Latent


@node("SetLatentNoiseMask", category="latent/inpaint", title="Set noise mask", lane=Lane.CPU)
def set_latent_noise_mask(latent: Latent, mask: Mask) -> Latent:
    """Let the sampler change a latent only where a mask is white.

    Args:
        latent: What is to be changed; set the sampler's `denoise` below 1 to keep something of it inside, too.
        mask: Where it may be changed, at any size; one for all pictures, or one for each.
    """
    with blaming("mask"):
        return replace(latent, noise_mask=mask)


@node("VAEEncodeForInpaint", category="latent/inpaint", title="VAE encode (for in-painting)")
def vae_encode_for_inpaint(
    image: Image, vae: Vae, mask: Mask, grow_mask_by: Annotated[int, Field(ge=0, le=64)] = 6, *, run: Run = quiet
) -> Latent:
    """Encode a picture without its masked part, which the sampler then paints from noise: use `denoise` 1.

    Args:
        image: The pictures; what exceeds a multiple of 8 pixels is cut off on both sides.
        vae: The autoencoder that came with the model.
        mask: White where the picture is hidden, at any size.
        grow_mask_by: By how many pixels in all the part that is painted is larger than the hidden one.
    """
    from nodeflow.diffusion.inpainting import encode_hidden

    with blaming(_at_fault(image, mask), network="vae"):
        latent, in_tiles = encode_hidden(vae, image, mask, grow_mask_by)
    tell_tiles(in_tiles, image, run)
    tell_cut(latent, image, run)
    return latent


@node("InpaintModelConditioning", category="conditioning/inpaint", title="Conditioning of in-painting models")
def inpaint_model_conditioning(
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    image: Image,
    mask: Mask,
    noise_mask: bool = True,
    *,
    run: Run = quiet,
) -> Told:
    """Tell an in-painting model the picture around the part that is to be painted anew.

    Args:
        positive: What the picture should show.
        negative: What it should avoid.
        vae: The autoencoder that came with the model.
        image: The picture; what exceeds a multiple of 8 pixels is cut off on both sides.
        mask: White where it is to be painted anew, at any size.
        noise_mask: Keep the rest as it is; else the model may change it a little, which hides seams.
    """
    from nodeflow.diffusion.autoencoding import encode_in_room
    from nodeflow.diffusion.inpainting import inpaint_of, told

    with blaming(_at_fault(image, mask), network="vae"):
        inpaint, hidden_in_tiles = inpaint_of(vae, image, mask)
        latent, in_tiles = encode_in_room(vae, image)
    tell_tiles(in_tiles or hidden_in_tiles, image, run)
    tell_cut(latent, image, run)
    if noise_mask:
        latent = replace(latent, noise_mask=inpaint.mask)
    return Told(told(positive, inpaint), told(negative, inpaint), latent)


@node("InstructPixToPixConditioning", category="conditioning/edit", title="Conditioning of editing models")
def instruct_pix_to_pix_conditioning(
    positive: Conditioning, negative: Conditioning, image: Image, vae: Vae, *, run: Run = quiet
) -> Told:
    """Tell an editing model (InstructPix2Pix) the picture that is to be changed.

    Args:
        positive: How the picture should be changed, such as `make it winter`.
        negative: What it should avoid.
        image: The picture; what exceeds a multiple of 8 pixels is cut off on both sides.
        vae: The autoencoder that came with the model.
    """
    from nodeflow.diffusion.inpainting import edit_of, told

    with blaming("image", network="vae"):
        edit, in_tiles = edit_of(vae, image)
    tell_tiles(in_tiles, image, run)
    tell_cut(edit.latent, image, run)
    empty = edit.latent.replace(samples=edit.latent.samples.new_zeros(edit.latent.samples.shape))
    return Told(told(positive, edit), told(negative, edit), empty)


@node("DifferentialDiffusion", category="sampling/inpaint", title="Differential diffusion", lane=Lane.CPU)
def differential_diffusion(model: Model, strength: Fraction = 1.0) -> Model:
    """Read the greys of a noise mask as times: the brighter a place, the earlier in the run it may change.

    Args:
        model: The denoising network.
        strength: Below 1 the mask as it is counts for the rest.
    """
    from nodeflow.diffusion.sampling.masked import Graded

    return replace(model, masking=Graded(strength))


def _at_fault(image: Image, mask: Mask) -> str:
    return "image" if len(mask) in (1, len(image)) else "mask"
