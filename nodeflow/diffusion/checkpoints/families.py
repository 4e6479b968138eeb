"""The families of models, as a table: what marks each in the names and shapes of a file, and how its files are built.

Looking a file up here needs its header only, and no torch.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nodeflow.diffusion.checkpoints.keymaps import CLIP_L, UNET, VAE, KeyMap
from nodeflow.diffusion.checkpoints.read import Header
from nodeflow.diffusion.latent_formats import SD1, LatentFormat
from nodeflow.diffusion.types import Prediction

Mark = Callable[[Header], bool]

_CHECKPOINT = "choose a Stable Diffusion 1.x checkpoint: one file with UNet, VAE and text encoder"


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
    """

    unet: KeyMap
    vae: KeyMap
    text: KeyMap
    prediction: Prediction
    latent_format: LatentFormat
    half: str


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of file.

    Attributes:
        name: Short, such as "sd1".
        title: As a user knows it.
        mark: Whether a header is of this kind, given that no family before it in the table claimed it.
        build: How it is built; None when it is only recognised.
    """

    name: str
    title: str
    mark: Mark
    build: Build | None = None


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
    if family.build is None:
        raise header.error(f"it looks like {family.title}, which is recognised but not runnable yet; {_CHECKPOINT}")
    return family, family.build


def _names(*names: str) -> Mark:
    """Any of these names occurs, with or without the prefix of a whole checkpoint."""
    return lambda header: any(name in header.tensors or UNET.prefix + name in header.tensors for name in names)


def _contains(*fragments: str) -> Mark:
    """Any of these fragments occurs in a name."""
    return lambda header: any(fragment in name for name in header.tensors for fragment in fragments)


def _all(*marks: Mark) -> Mark:
    return lambda header: all(mark(header) for mark in marks)


def _no(mark: Mark) -> Mark:
    return lambda header: not mark(header)


def _input_channels(channels: int) -> Mark:
    def mark(header: Header) -> bool:
        info = header.tensors.get(UNET.prefix + "input_blocks.0.0.weight")
        return info is not None and info.shape[1:2] == (channels,)

    return mark


def _linear_transformers(header: Header) -> bool:
    """SD2 and SDXL project in and out of a transformer by a matrix, SD1 by a convolution with one pixel."""
    shapes = (info.shape for name, info in header.tensors.items() if name.endswith(".1.proj_in.weight"))
    return len(next(shapes, ())) == 2


_ldm = _names("input_blocks.0.0.weight")
_whole = _all(_ldm, lambda header: UNET.prefix + "input_blocks.0.0.weight" in header.tensors)
_vector = _names("label_emb.0.0.weight")
_clip_l = _contains(CLIP_L.prefix)

_SD1_BUILD = Build(UNET, VAE, CLIP_L, Prediction.EPS, SD1, half="fp16")

FAMILIES: tuple[Family, ...] = (
    Family("lora", "a LoRA", _contains("lora_down.weight", "lora_A.weight", "lora.down.weight", "_lora.down")),
    Family("controlnet", "a ControlNet", _contains("input_hint_block.0.", "controlnet_cond_embedding.conv_in.")),
    Family("sd3", "Stable Diffusion 3", _names("joint_blocks.0.context_block.attn.qkv.weight")),
    Family("flux", "Flux", _names("double_blocks.0.img_attn.norm.key_norm.scale")),
    Family("svd", "a video model (Stable Video Diffusion)", _contains(".time_stack.")),
    Family("sdxl", "Stable Diffusion XL", _all(_whole, _vector, _contains("conditioner.embedders.1.model."))),
    Family(
        "sdxl-refiner", "the Stable Diffusion XL refiner", _all(_whole, _vector, _contains("conditioner.embedders."))
    ),
    Family("upscaler", "the Stable Diffusion x4 upscaler", _all(_whole, _input_channels(7))),
    Family("sd2", "Stable Diffusion 2", _all(_whole, _linear_transformers)),
    Family("sd1-inpaint", "a Stable Diffusion 1 in-painting model", _all(_whole, _input_channels(9))),
    Family("sd1-edit", "an InstructPix2Pix model", _all(_whole, _input_channels(8))),
    Family("sd1", "Stable Diffusion 1", _all(_whole, _clip_l, _no(_vector)), _SD1_BUILD),
    Family("unet", "a UNet without its text encoder", _ldm),
    Family("diffusers-unet", "a UNet from a diffusers folder", _contains("down_blocks.0.resnets.0.time_emb_proj.")),
    Family("vae", "an autoencoder by itself", _contains("decoder.conv_in.weight")),
    Family("text", "a text encoder by itself", _contains("token_embedding.weight")),
    Family("esrgan", "an upscaling model (ESRGAN)", _contains(".RDB1.", ".rdb1.")),
)
"""Asked from the first to the last; whoever marks a header first has it."""
