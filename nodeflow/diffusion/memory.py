"""Where networks run, in which precision and by which kernels: every such decision of the library is made here.

- Precision: `usable_dtype`. Half precision never means fp16 on a CPU.
- Order in memory: `order_of`. Feature maps have their channels last, which is how convolutions read them on every
  device, and makes rows of pixels for transformers without a copy.
- Weights: `packs`. On CPUs with oneDNN, layers bring large weights into its blocked order once, see `models.prepared`.
- Attention: `by_products`. `torch.nn.functional.scaled_dot_product_attention` with its own choice of kernel, but for
  bf16 on CPUs, where it is slower than in fp32, and matrix products are faster; see `models.attention`.
- Threads: `threads_for`.
- Compilation: none. Pictures come in too many sizes for its time to pay back in a short run.
"""

import copy
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from nodeflow.diffusion.errors import ValueRuleError

DtypeChoice = Literal["auto", "fp32", "bf16", "fp16"]

SMALL_MODEL = 100_000_000
"""Parameters below which fp32 is used on a CPU: half precision saves no time there."""

SMALL_WORK = 5_000_000_000
"""Parameters times places (latent cells, pixels or tokens, of one picture) below which one thread beats several.

The operations are then so short that threads mostly wait for each other, the more so where other programs run.
"""

PACKED = 65_536
"""Numbers in a weight from which on it is kept in the blocked order of oneDNN; below, that saves nothing."""

PACKED_OPERATIONS = (
    "_linear_pointwise",
    "_convolution_pointwise",
    "_reorder_linear_weight",
    "_reorder_convolution_weight",
)
"""torch's operations on weights in that order."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def usable_device(device: str | torch.device) -> torch.device:
    """Checks that a device exists on this machine.

    Raises:
        ValueRuleError: No such device; the message lists those there are.
    """
    try:
        wanted = torch.device(device)
    except RuntimeError:
        wanted = None
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if wanted is not None and (wanted.type == "cpu" or (wanted.type == "cuda" and (wanted.index or 0) < len(gpus))):
        return wanted
    raise ValueRuleError(f"device {str(device)!r} is not usable here; there is {' and '.join(['cpu', *gpus])}")


def usable_dtype(choice: DtypeChoice, device: torch.device, parameters: int, half: torch.dtype) -> torch.dtype:
    """Decides the precision of a network.

    Args:
        choice: What the user asked for. "auto" on a CPU: fp32 below `SMALL_MODEL`, else bf16 where the processor has
            instructions for it, else fp32. "auto" on a GPU: `half`.
        device: Where it will run.
        parameters: How large it is.
        half: The 16-bit format its family prefers on a GPU.

    Raises:
        ValueRuleError: An unknown choice, or fp16 on a CPU (slower than fp32 there, and not every operation exists).
    """
    if choice != "auto" and choice not in _DTYPES:
        raise ValueRuleError(f"dtype {choice!r} is unknown; expected auto, {', '.join(_DTYPES)}")
    on_cpu = device.type == "cpu"
    if choice == "fp16" and on_cpu:
        raise ValueRuleError("dtype fp16 is not for CPUs; use fp32, bf16 or auto")
    if choice != "auto":
        return _DTYPES[choice]
    if not on_cpu:
        return half
    return torch.bfloat16 if parameters >= SMALL_MODEL and _cpu_multiplies_bf16() else torch.float32


class Precisions(NamedTuple):
    """The precision of each network of a checkpoint."""

    unet: torch.dtype
    text: torch.dtype
    vae: torch.dtype


def usable_dtypes(choice: DtypeChoice, device: torch.device, parameters: int, half: torch.dtype) -> Precisions:
    """Decides the precision of the networks of a checkpoint; arguments and errors are those of `usable_dtype`.

    Two differ from the UNet's: the autoencoder, which overflows in fp16, takes bf16 instead; and on a CPU "auto" leaves
    the text encoder in fp32, because it runs once per prompt while its rounding colours every step.
    """
    unet = usable_dtype(choice, device, parameters, half)
    text = torch.float32 if choice == "auto" and device.type == "cpu" else unet
    return Precisions(unet, text, torch.bfloat16 if unet == torch.float16 else unet)


def computes_in(network: nn.Module) -> torch.dtype:
    """The precision a network computes in: that of its norms and biases, whatever its matrices are kept in."""
    weights = list(network.parameters())
    return next((weight.dtype for weight in weights if weight.ndim == 1), weights[0].dtype)


def order_of(x: Tensor) -> torch.memory_format:
    """The order in memory for feature maps."""
    return torch.channels_last if x.ndim == 4 else torch.contiguous_format


def packs(weight: Tensor) -> bool:
    """Whether a layer brings its weight into the order of oneDNN before it computes with it."""
    if weight.device.type != "cpu" or weight.numel() < PACKED or weight.requires_grad:
        return False
    return _onednn_takes_packed()


@cache
def _onednn_takes_packed() -> bool:
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    # torch keeps these operations to itself; in a version without them layers compute as torch's own do.
    return there and all(hasattr(torch.ops.mkldnn, name) for name in PACKED_OPERATIONS)


def by_products(query: Tensor) -> bool:
    """Whether attention is done by matrix products and a softmax, piece by piece, in place of torch's own kernels."""
    return query.device.type == "cpu" and query.dtype == torch.bfloat16 and not torch.is_grad_enabled()


@contextmanager
def threads_for(network: nn.Module, device: str | torch.device, places: int) -> Generator[None]:
    """Runs what is inside with as many threads as pay off for it.

    Args:
        network: What is about to be called.
        device: Where it runs; nothing changes unless that is a CPU.
        places: Height times width of what it works on, or tokens; of one picture, not of its batch, because rounding
            depends on the number of threads and a picture shall not depend on its batch.
    """
    before = torch.get_num_threads()
    work = places * sum(weight.numel() for weight in network.parameters())
    if torch.device(device).type != "cpu" or before == 1 or work >= SMALL_WORK:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cpu_multiplies_bf16() -> bool:
    # The public torch.backends.cpu.get_cpu_capability() does not tell avx512_bf16 apart from plain AVX-512.
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe is not None and probe())


def moved(module: nn.Module, device: str | torch.device) -> nn.Module:
    """A twin of `module` whose weights live on `device`; the original stays as it was.

    The weights are the only thing that is copied, once, straight to their new place.

    Raises:
        ValueRuleError: The device does not exist here.
    """
    target, dtype = usable_device(device), computes_in(module)
    there: dict[int, object] = {}
    for weight in module.parameters():
        there[id(weight)] = nn.Parameter(weight.detach().to(target, dtype), requires_grad=weight.requires_grad)
    for buffer in module.buffers():
        there[id(buffer)] = buffer.to(target)
    twin: nn.Module = copy.deepcopy(module, there)
    return twin
