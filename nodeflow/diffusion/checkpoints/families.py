"""The families of models, as a table: what marks each in the names and shapes of a file, and how its files are built.

Looking a file up here needs its header only, and no torch.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from nodeflow.diffusion.checkpoints.keymaps import CLIP_L, UNET, VAE, KeyMap
from nodeflow.diffusion.checkpoints.marks import (
    BASE_TITLES,
    Mark,
    absent,
    base_by_latents,
    base_by_text,
    base_by_width,
    begins,
    both,
    contains,
    dimension,
    few_vectors,
    linear_transformers,
    names,
)
from nodeflow.diffusion.checkpoints.read import Header
from nodeflow.diffusion.latent_formats import SD1, LatentFormat
from nodeflow.diffusion.types import Prediction

_CHECKPOINT = "choose a Stable Diffusion 1.x checkpoint: one file with UNet, VAE and text encoder"

LORA_MARKS = (
    "lora_down.",
    "lora_A.",
    "lora.down.",
    "_lora.down",
    "lora_linear_layer.down",
    "hada_w1_a",
    "lokr_w1",
    "oft_blocks",
    "dora_scale",
)
"""Fragments of names by which a file of small changes is told, whoever wrote it."""

_LORA = "it belongs into the folder loras and is applied by LoraLoader"
_VAE = "it belongs into the folder vae and is loaded by VAELoader"
_TEXT = "it belongs into the folder text_encoders and is loaded by CLIPLoader"
_UNET = "it belongs into the folder diffusion_models and is loaded by UNETLoader"
_EMBEDDING = "it belongs into the folder embeddings and is named in a prompt: embedding:NAME"
_CONTROLNET = "it belongs into the folder controlnet; such files cannot be used yet"
_UPSCALE = "it belongs into the folder upscale_models; such files cannot be used yet"
_UNUSED = "such files cannot be used yet"


@dataclass(frozen=True, slots=True)
class Build:
    """How the files of a family are built.

    Attributes:
        unet: Where the UNet lies.
        vae: Where the autoencoder lies.
        text: Where the text encoder lies.
        prediction: What the network's output means, unless the file says otherwise.
        latent_format: The latent space, unless the file says otherwise.
        half: The 16-bit float that is used for it on a GPU: "fp16" or "bf16".
        architecture: As ModelSpec calls it, for files that are written.
    """

    unet: KeyMap
    vae: KeyMap
    text: KeyMap
    prediction: Prediction
    latent_format: LatentFormat
    half: str
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of file.

    Attributes:
        name: Short, such as "sd1".
        title: As a user knows it.
        mark: Whether a header is of this kind, given that no family before it in the table claimed it.
        build: How a whole checkpoint of this kind is built; None when it is none, or only recognised.
        base: Tells from a header for which family it is made, as a key of `BASE_TITLES`; None for whole models.
        place: Of what is no checkpoint: where it belongs and what takes it.
    """

    name: str
    title: str
    mark: Mark
    build: Build | None = None
    base: Callable[[Header], str | None] | None = None
    place: str = ""

    def described(self, header: Header) -> str:
        """What a file of this kind is, such as "a LoRA for Stable Diffusion 1"."""
        base = BASE_TITLES.get((self.base and self.base(header)) or "")
        return f"{self.title} for {base}" if base else self.title


def family_of(header: Header, families: Iterable[Family] | None = None) -> Family:
    """Tells the family of a file from its header.

    Args:
        header: The file.
        families: Asked from the first to the last; `FAMILIES` by default.

    Raises:
        CheckpointError: It is of no known family; the message shows some of its names.
    """
    for family in FAMILIES if families is None else families:
        if family.mark(header):
            return family
    sample = ", ".join(sorted(header.tensors)[:3])
    raise header.error(f"unknown kind of model: {len(header.tensors)} tensors, such as {sample}; {_CHECKPOINT}")


def build_of(header: Header, families: Iterable[Family] | None = None) -> tuple[Family, Build]:
    """Tells the family of a file, and how its files are built.

    Args:
        header: The file.
        families: Asked from the first to the last; `FAMILIES` by default.

    Raises:
        CheckpointError: It is of no known family, or of one that is only recognised.
    """
    family = family_of(header, families)
    if family.build is not None:
        return family, family.build
    if family.place:
        raise header.error(f"it is {family.described(header)}, not a checkpoint; {family.place}")
    found = family.described(header)
    raise header.error(f"it looks like {found}, which is recognised but not runnable yet; {_CHECKPOINT}")


def _base_of_t2i(header: Header) -> str:
    """Its first convolution sees 8 x 8 pixels at once, for SDXL 16 x 16."""
    shapes = (info.shape for name, info in header.tensors.items() if name.endswith("conv_in.weight"))
    return "sdxl" if next(shapes, (0, 0))[1] >= 256 else "sd1"


def _base_of_text(header: Header) -> str | None:
    """Clip-L is the encoder of SD1, OpenCLIP H of SD2, OpenCLIP bigG the larger one of SDXL."""
    tables = (info.shape for name, info in header.tensors.items() if name.endswith("token_embedding.weight"))
    return {768: "sd1", 1024: "sd2", 1280: "sdxl"}.get(next(tables, (0, 0))[-1])


_t2i = both(contains("body.0.in_conv.", "body.0.block1.", "body.0.body.0.block1."), contains("conv_in.weight"))
_transformer = contains("transformer_blocks.0.attn.add_k_proj.weight", "single_transformer_blocks.0.")
_upscale = contains(
    "residual_group.blocks.0.",  # SwinIR, HAT
    "relative_position_bias_table",
    "upsample.0.weight",
    "conv_last.weight",
    "m_body.0.",  # SCUNet
)
_ldm = names("input_blocks.0.0.weight")
_whole = both(_ldm, lambda header: UNET.prefix + "input_blocks.0.0.weight" in header.tensors)
_vector = names("label_emb.0.0.weight")
_clip_l = contains(CLIP_L.prefix)
_flux = names("double_blocks.0.img_attn.norm.key_norm.scale", "double_blocks.0.img_attn.norm.key_norm.weight")
_sdxl = both(_whole, _vector, contains("conditioner.embedders.1.model."))


def _channels(number: int) -> Mark:
    return dimension("input_blocks.0.0.weight", 1, number)


_SD1_BUILD = Build(UNET, VAE, CLIP_L, Prediction.EPS, SD1, half="fp16", architecture="stable-diffusion-v1")
_SD1_INPAINT_BUILD = replace(_SD1_BUILD, architecture="stable-diffusion-v1/inpainting")

FAMILIES: tuple[Family, ...] = (
    Family("lora", "a LoRA", contains(*LORA_MARKS), base=base_by_text, place=_LORA),
    Family("ip-adapter", "an IP-Adapter", begins("ip_adapter.", "image_proj."), place=_UNUSED),
    Family(
        "controlnet",
        "a ControlNet",
        contains("input_hint_block.0.", "controlnet_cond_embedding.conv_in.", "lora_controlnet"),
        base=base_by_text,
        place=_CONTROLNET,
    ),
    Family("t2i-adapter", "a T2I-Adapter", _t2i, base=_base_of_t2i, place=_CONTROLNET),
    Family("sd3", "Stable Diffusion 3", names("joint_blocks.0.context_block.attn.qkv.weight")),
    Family("flux-fill", "Flux.1 Fill", both(_flux, dimension("img_in.weight", 1, 384))),
    Family("flux-control", "Flux.1 with a control picture", both(_flux, dimension("img_in.weight", 1, 128, 448))),
    Family("flux-dev", "Flux.1 dev", both(_flux, names("guidance_in.in_layer.weight"))),
    Family("flux", "Flux.1 schnell", _flux),
    Family("svd", "a video model (Stable Video Diffusion)", contains(".time_stack.")),
    Family("motion", "a motion module (AnimateDiff)", contains("motion_modules.", "temporal_transformer.")),
    Family("sdxl-inpaint", "a Stable Diffusion XL in-painting model", both(_sdxl, _channels(9))),
    Family("sdxl-edit", "a Stable Diffusion XL model that edits by instruction", both(_sdxl, _channels(8))),
    Family("sdxl", "Stable Diffusion XL", _sdxl),
    Family(
        "sdxl-refiner", "the Stable Diffusion XL refiner", both(_whole, _vector, contains("conditioner.embedders."))
    ),
    Family("upscaler", "the Stable Diffusion x4 upscaler", both(_whole, _channels(7))),
    Family("sd2-unclip", "Stable Diffusion 2 unCLIP", both(_whole, linear_transformers, _vector)),
    Family("sd2-inpaint", "a Stable Diffusion 2 in-painting model", both(_whole, linear_transformers, _channels(9))),
    Family("sd2-depth", "Stable Diffusion 2 with depth", both(_whole, linear_transformers, _channels(5))),
    Family("sd2", "Stable Diffusion 2", both(_whole, linear_transformers)),
    Family("sd1-inpaint", "a Stable Diffusion 1 in-painting model", both(_whole, _channels(9)), _SD1_INPAINT_BUILD),
    Family("sd1-edit", "an InstructPix2Pix model", both(_whole, _channels(8)), _SD1_BUILD),
    Family("sd1", "Stable Diffusion 1", both(_whole, _clip_l, absent(_vector)), _SD1_BUILD),
    Family("unet", "a UNet without its text encoder", _ldm, base=base_by_text, place=_UNET),
    Family(
        "diffusers-unet",
        "a UNet from a diffusers folder",
        contains("down_blocks.0.resnets.0.time_emb_proj."),
        base=base_by_text,
        place=_UNET,
    ),
    Family("diffusers-transformer", "a transformer from a diffusers folder", _transformer, base=base_by_text),
    Family("taesd", "a small autoencoder for previews (TAESD)", begins("taesd_", "decoder.layers.", "encoder.layers.")),
    Family("vae", "an autoencoder", contains("decoder.conv_in.weight"), base=base_by_latents, place=_VAE),
    Family("clip-vision", "an encoder of pictures (CLIP vision)", contains("vision_model.", "visual.transformer.")),
    Family("t5", "a T5 text encoder", contains("encoder.block.0.layer.0.SelfAttention.q.weight"), place=_TEXT),
    Family("text", "a text encoder", contains("token_embedding.weight"), base=_base_of_text, place=_TEXT),
    Family("embedding", "an embedding", few_vectors, base=base_by_width, place=_EMBEDDING),
    Family("esrgan", "an upscaling model (ESRGAN)", contains(".RDB1.", ".rdb1."), place=_UPSCALE),
    Family("upscale", "an upscaling model", _upscale, place=_UPSCALE),
)
"""Asked from the first to the last; whoever marks a header first has it."""
