"""A store of scenes and their latents, which the denoiser and the tuning of the decoder are trained on."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.training.optimise import Descent, Loss, Report
from nodeflow.diffusion.training.scenes import TIGHT, Scene, draw_scene, render
from nodeflow.diffusion.training.sprites import Sprites


class LatentBank:
    """Random scenes with their latents, a few of them replaced after every step so that they never run out.

    Slot and generation decide a scene, so the bank after any number of steps is reproducible.

    Args:
        vae: the trained autoencoder; its encoder is used.
        sprites: to draw the scenes with.
        slots: number of latents held.
        seed: of the scenes.

    Attributes:
        scenes: one per slot.
        latents: their scaled latents, [slots, 4, 16, 16].
        scale: multiplies raw latents, so that their spread is one.
    """

    def __init__(self, vae: AutoencoderKL, sprites: Sprites, slots: int, seed: int) -> None:
        self.scale = 1.0
        self._vae = vae
        self._sprites = sprites
        self._seed = seed
        self.scenes: list[Scene] = [self._scene(slot) for slot in range(slots)]
        self.latents = torch.zeros(0)

    def _scene(self, drawn: int) -> Scene:
        return draw_scene(random.Random(f"bank/{self._seed}/{drawn}"), freedom=TIGHT)

    @torch.no_grad()
    def encode(self, scenes: Sequence[Scene]) -> Tensor:
        """Scaled latents of scenes."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mean = self._vae.encode_moments(render(scenes, self._sprites))[0]
        return mean.float() * self.scale

    def fill(self, threads: int = 2, batch: int = 16) -> None:
        """Encode all slots and set the scale by their spread."""
        parts = [self.scenes[start : start + batch] for start in range(0, len(self.scenes), batch)]
        with ThreadPoolExecutor(threads) as pool:
            raw = torch.cat(list(pool.map(self.encode, parts)))
        self.scale = float(f"{1 / raw.std().item():.4g}")
        self.latents = raw * self.scale

    def fresh(self, step: int, count: int) -> tuple[list[int], list[Scene], Tensor]:
        """New scenes and their latents for the slots whose turn it is after a step."""
        numbers = range(step * count, (step + 1) * count)
        scenes = [self._scene(len(self.scenes) + number) for number in numbers]
        return [number % len(self.scenes) for number in numbers], scenes, self.encode(scenes)

    def replace(self, slots: Sequence[int], scenes: Sequence[Scene], latents: Tensor) -> None:
        """Put new scenes into slots."""
        for slot, scene in zip(slots, scenes, strict=True):
            self.scenes[slot] = scene
        self.latents[list(slots)] = latents

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue, but for the scenes: `load_state_dict` draws them again."""
        return {"latents": self.latents, "scale": self.scale}

    def load_state_dict(self, state: dict[str, Any], step: int, count: int) -> None:
        """Continue from a state taken after a step, at `count` fresh scenes per step."""
        self.latents, self.scale = state["latents"].clone(), state["scale"]
        slots = len(self.scenes)
        for number in range(max(0, step * count - slots), step * count):
            self.scenes[number % slots] = self._scene(slots + number)


def train_on(descent: Descent, loss: Loss, bank: LatentBank, fresh: int, threads: int = 2) -> Iterator[Report]:
    """Take the remaining steps; new scenes are encoded beside them and put into the bank between them."""
    with ThreadPoolExecutor(1) as side:
        pending = side.submit(bank.fresh, descent.step, fresh)
        for report in descent.run(loss, threads):
            bank.replace(*pending.result())
            pending = side.submit(bank.fresh, report.step, fresh)
            yield report
