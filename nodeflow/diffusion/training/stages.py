"""The stages of making the embedded checkpoint; each continues from its file and hands its weights to the next."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow.diffusion.models.unet import UNet
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.tokens import Tokenizer
from nodeflow.diffusion.training import autoencoder, denoiser, export, text
from nodeflow.diffusion.training.captions import Lexicon
from nodeflow.diffusion.training.latents import LatentBank, train_on
from nodeflow.diffusion.training.optimise import Descent, Plan, Report
from nodeflow.diffusion.training.sheet import sheet_sprites
from nodeflow.diffusion.training.sprites import FONT, Sprites, draw_sprites

PLANS = {
    "autoencoder": Plan(steps=1650, parts=2, rate=1.5e-3, flat=0.1, average=0.995),
    "decoder": Plan(steps=1700, parts=2, rate=2e-3, flat=0.3, average=0.998, muon=True),
    "text": Plan(steps=400, parts=2, rate=2e-3, flat=0.3, average=0.99),
    "denoiser": Plan(steps=5300, parts=4, rate=1e-3, flat=0.575, muon=True),
}
"""How long each stage was trained for the checkpoint that is shipped."""

FRESH = 2
"""Pictures encoded anew for the latent bank per step of the denoiser."""


@dataclass(frozen=True)
class Workshop:
    """A folder that a training fills, and the settings all its stages share.

    Attributes:
        folder: holds one state file per stage.
        seed: of all stages.
        threads: that compute gradients; the weights do not depend on their number.
        part: pictures in a part of a step; of captions there are four times as many.
        slots: latents held for the denoiser.
        save_every: seconds between two writes of a state file.
        font: the emoji font; None takes the small sprites of the package instead.
        plans: one per stage.
    """

    folder: Path
    seed: int = 1
    threads: int = 2
    part: int = 8
    slots: int = 8192
    save_every: float = 150.0
    font: Path | None = FONT
    plans: Mapping[str, Plan] = field(default_factory=lambda: PLANS)

    @cached_property
    def sprites(self) -> Sprites:
        """The sprites, drawn at first use."""
        return sheet_sprites() if self.font is None else draw_sprites(self.font)

    @cached_property
    def lexicon(self) -> Lexicon:
        """The tokens of the grammar."""
        return Lexicon.of_grammar(Tokenizer.from_package())

    def state_file(self, stage: str) -> Path:
        """Where the state of a stage is kept."""
        return self.folder / f"{stage}.pt"

    def state(self, stage: str) -> dict[str, Any]:
        """The state of a stage.

        Raises:
            FileNotFoundError: when the stage has not run yet.
        """
        file = self.state_file(stage)
        if not file.exists():
            raise FileNotFoundError(f"{file} is missing: run the stage {stage!r} first")
        state: dict[str, Any] = torch.load(file, weights_only=True)
        return state

    def begin(self, stage: str, modules: dict[str, nn.Module]) -> Descent:
        """The descent of a stage, from its file when there is one."""
        descent = Descent(modules, self.plans[stage])
        if self.state_file(stage).exists():
            descent.load_state_dict(self.state(stage))
        return descent

    def keep(
        self, stage: str, descent: Descent, reports: Iterator[Report], more: Mapping[str, Any]
    ) -> Iterator[Report]:
        """Pass reports on, writing the state (and `more` beside it) every now and then and at the end."""
        last = time.monotonic()
        for report in reports:
            if time.monotonic() - last > self.save_every or report.step == descent.plan.steps:
                write_state(descent.state_dict() | dict(more), self.state_file(stage))
                last = time.monotonic()
            yield report


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write a state so that a crash leaves the old file or the new one, never half of it."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def average_of(state: dict[str, Any], module: str) -> dict[str, Tensor]:
    """The averaged weights of one module in a state."""
    average: dict[str, Tensor] = state["average"]
    return {key.removeprefix(f"{module}."): value for key, value in average.items() if key.startswith(f"{module}.")}


def seeded(shop: Workshop, stage: str) -> None:
    """Make the fresh weights of a stage's networks reproducible."""
    torch.manual_seed(shop.seed * 10 + list(PLANS).index(stage))


def train_autoencoder(shop: Workshop) -> Iterator[Report]:
    """Encoder and decoder together."""
    seeded(shop, "autoencoder")
    vae = AutoencoderKL(autoencoder.CONFIG)
    descent = shop.begin("autoencoder", {"vae": vae})
    loss = autoencoder.joint_loss(vae, shop.sprites, shop.part, shop.seed)
    yield from shop.keep("autoencoder", descent, descent.run(loss, shop.threads), {})


def trained_vae(shop: Workshop) -> AutoencoderKL:
    """The autoencoder so far, its decoder the tuned one when there is one."""
    vae = AutoencoderKL(autoencoder.CONFIG)
    vae.load_state_dict(average_of(shop.state("autoencoder"), "vae"))
    if shop.state_file("decoder").exists():
        vae.load_state_dict(average_of(shop.state("decoder"), "vae"), strict=False)
    return vae.eval().requires_grad_(False)


def train_decoder(shop: Workshop) -> Iterator[Report]:
    """The decoder alone, behind the frozen encoder."""
    vae = AutoencoderKL(autoencoder.CONFIG)
    vae.load_state_dict(average_of(shop.state("autoencoder"), "vae"))
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    descent = shop.begin("decoder", {"vae": vae})
    bank = _bank(shop, "decoder", vae, descent.step)
    loss = autoencoder.decoder_loss(vae, bank, shop.sprites, shop.part, shop.seed)
    reports = train_on(descent, loss, bank, FRESH, shop.threads)
    yield from shop.keep("decoder", descent, reports, bank.state_dict())


def train_text(shop: Workshop) -> Iterator[Report]:
    """The text encoder, until its states tell what a caption says."""
    seeded(shop, "text")
    encoder, reader = text.Encoder(shop.lexicon), text.questions()
    descent = shop.begin("text", {"encoder": encoder, "reader": reader})
    loss = text.text_loss(encoder, reader, shop.lexicon, 4 * shop.part, shop.seed)
    yield from shop.keep("text", descent, descent.run(loss, shop.threads), {})


def train_denoiser(shop: Workshop) -> Iterator[Report]:
    """The UNet and the text encoder on latents."""
    seeded(shop, "denoiser")
    unet, encoder = UNet(denoiser.CONFIG), text.Encoder(shop.lexicon)
    encoder.load_state_dict(average_of(shop.state("text"), "encoder"))
    descent = shop.begin("denoiser", {"unet": unet, "encoder": encoder})
    bank = _bank(shop, "denoiser", trained_vae(shop), descent.step)
    loss = denoiser.denoising_loss(unet, encoder, shop.lexicon, bank, shop.part, shop.seed)
    reports = train_on(descent, loss, bank, FRESH, shop.threads)
    yield from shop.keep("denoiser", descent, reports, bank.state_dict())


def _bank(shop: Workshop, stage: str, vae: AutoencoderKL, step: int) -> LatentBank:
    bank = LatentBank(vae, shop.sprites, shop.slots, shop.seed)
    if step:
        bank.load_state_dict(shop.state(stage), step, FRESH)
    else:
        bank.fill(shop.threads)
    return bank


def export_checkpoint(shop: Workshop, path: Path) -> None:
    """Write the averaged weights of all stages into one file."""
    state = shop.state("denoiser")
    tensors = export.checkpoint(
        average_of(state, "unet"), trained_vae(shop).state_dict(), average_of(state, "encoder"), shop.lexicon
    )
    export.write(tensors, float(state["scale"]), path)


STAGES = {
    "autoencoder": train_autoencoder,
    "decoder": train_decoder,
    "text": train_text,
    "denoiser": train_denoiser,
}
"""The stages by name, in an order in which each finds what it needs."""
