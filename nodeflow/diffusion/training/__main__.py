"""Trains, exports and scores the embedded checkpoint: `python -m nodeflow.diffusion.training --help`."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from nodeflow.diffusion.checkpoints import load_checkpoint
from nodeflow.diffusion.models.vae import AutoencoderKL
from nodeflow.diffusion.training.autoencoder import draw_batch, psnr
from nodeflow.diffusion.training.optimise import Report
from nodeflow.diffusion.training.scenes import TIGHT
from nodeflow.diffusion.training.score import Score, contact_sheet, grade, tasks
from nodeflow.diffusion.training.stages import PLANS, STAGES, Workshop, export_checkpoint
from nodeflow.diffusion.training.vocabulary import Split

EVERY = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that are asked for, in their order; then export, then score."""
    parser = argparse.ArgumentParser(prog="python -m nodeflow.diffusion.training", description=__doc__)
    parser.add_argument(
        "stages", nargs="*", metavar="stage", help=f"{', '.join((*STAGES, 'export', 'score'))}; default: all, in order"
    )
    parser.add_argument("--folder", type=Path, default=Path("training"), help="state files; a cut run continues")
    parser.add_argument("--output", type=Path, default=Path("emoji-tiny.safetensors"), help="the checkpoint")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="set OMP_NUM_THREADS=1 as well")
    parser.add_argument("--steps", type=int, help="another length for the one stage that is named")
    parser.add_argument("--slots", type=int, default=8192, help="latents held while the denoiser is trained")
    parser.add_argument("--split", type=Split, choices=list(Split), default=Split.TEST, help="what to score on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the scored pictures")
    parser.add_argument("--sheet", type=Path, help="where to write the scored pictures, mistakes framed in red")
    options = parser.parse_args(arguments)
    stages = options.stages or [*STAGES, "export", "score"]
    if unknown := set(stages) - {*STAGES, "export", "score"}:
        parser.error(f"unknown stage {', '.join(sorted(unknown))}")
    if options.steps is not None and len(stages) != 1:
        parser.error("--steps goes with exactly one stage")
    torch.set_num_threads(1)
    plans = {name: replace(plan, steps=options.steps or plan.steps) for name, plan in PLANS.items()}
    shop = Workshop(options.folder, options.seed, options.threads, slots=options.slots, plans=plans)
    for stage in stages:
        if stage == "export":
            export_checkpoint(shop, options.output)
        elif stage == "score":
            _score(shop, options.output, options.split, options.seeds, options.sheet)
        else:
            _train(shop, stage)
    return 0


def _train(shop: Workshop, stage: str) -> None:
    shop.folder.mkdir(parents=True, exist_ok=True)
    started, losses = time.monotonic(), list[float]()
    for report in STAGES[stage](shop):
        losses.append(report.loss)
        if report.step % EVERY == 0:
            _tell(stage, report, losses, time.monotonic() - started)
            losses.clear()


def _score(shop: Workshop, path: Path, split: Split, seeds: Sequence[int], sheet: Path | None) -> None:
    checkpoint = load_checkpoint(path)
    graded = list(grade(checkpoint, tasks(split), seeds))
    if sheet is not None:
        contact_sheet(graded).save(sheet)
    sys.stdout.write(f"{split.value}: {Score.of(graded)}\n")
    for item in graded:
        if not (item.things_right and item.background_right):
            sys.stdout.write(f"  seed {item.seed}: {item.task.prompt!r} shows {item.finding}\n")
    if shop.font is None or not shop.font.exists():
        sys.stdout.write(f"autoencoder: not measured, for want of the font {shop.font}\n")
        return
    network = checkpoint.vae.network
    assert isinstance(network, AutoencoderKL)
    ratios = psnr(network, draw_batch(shop.sprites, 128, 0, 0, 0, split=split, freedom=TIGHT))
    sys.stdout.write(f"autoencoder: {ratios.mean():.2f} dB on average, {_pooled(ratios):.2f} dB by the mean error\n")


def _pooled(ratios: torch.Tensor) -> float:
    """The ratio that belongs to the mean of the squared errors, which difficult pictures dominate."""
    return float(-10 * torch.log10((10 ** (-ratios / 10)).mean()))


def _tell(stage: str, report: Report, losses: Sequence[float], seconds: float) -> None:
    mean = sum(losses) / len(losses)
    sys.stderr.write(
        f"{stage} step {report.step}: loss {mean:.4f}, gradient {report.norm:.2f}, "
        f"{report.seconds:.2f} s per step, {seconds:.0f} s\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
