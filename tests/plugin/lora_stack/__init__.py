"""A stack of LoRA files, laid over the UNet of Stable Diffusion 1 one after the other."""

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from nodeflow.api import Field, InputError, ModelFile, Pack, Row, node
from nodeflow.diffusion.types import Model

pack = Pack(name="lora_stack", version="1.0.0")


class Lora(Row):
    """A file of the stack.

    Attributes:
        file: Weights under the names that kohya's trainer gives them.
        strength: How much of them is added; below 0 they are taken away.
    """

    file: Annotated[Path, ModelFile("loras")]
    strength: Annotated[float, Field(ge=-10, le=10)] = 1.0


@node("lora_stack.Apply", category="loaders", title="Stack of LoRAs")
def apply(model: Model, rows: Sequence[Lora] = ()) -> Model:
    """Add to each weight strength · alpha / rank · up @ down of every file (Hu et al. 2021, arXiv:2106.09685).

    Args:
        model: Stays as it is; the result shares all weights with it that no file changes.
        rows: The files, each with its strength; what they have for the text encoder is passed over.
    """
    from safetensors.torch import load_file
    from torch import nn

    weights, changed = model.network.state_dict(keep_vars=True), dict[str, nn.Parameter]()
    for number, row in enumerate(rows):
        parts = load_file(row.file)
        found = {name: key for name in weights if f"{(key := _kohya(name))}.lora_up.weight" in parts}
        if not found:
            raise InputError(f"rows[{number}].file", f"{row.file.name} has no weights for this model")
        for name, key in found.items():
            up, down, old = parts[f"{key}.lora_up.weight"], parts[f"{key}.lora_down.weight"], weights[name]
            scale = row.strength * float(parts.get(f"{key}.alpha", len(down))) / len(down)
            delta = scale * (up.float().flatten(1) @ down.float().flatten(1)).reshape(old.shape)
            changed[name] = nn.Parameter(changed.get(name, old) + delta.to(old), requires_grad=False)
    shared = {id(old): changed.get(name, old) for name, old in weights.items()}
    return replace(model, network=deepcopy(model.network, shared))


def _kohya(name: str) -> str:
    """The name of a weight in a file, where the blocks are counted level by level, three to each."""
    way, block, rest = (re.findall(r"^(\w+)_blocks?\.(?:(\d+)\.)?1\.(.*)\.weight$", name) or [("", 0, name)])[0]
    place = int(block or 0) - (way == "input")
    level = {"input": f"down_blocks_{place // 3}", "middle": "mid_block", "output": f"up_blocks_{place // 3}"}.get(way)
    return f"lora_unet_{level}_attentions_{place % 3}_{rest.replace('.', '_')}"
