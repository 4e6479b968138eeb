"""Trains, exports and scores the embedded checkpoint: `python -m nodeflow.diffusion.training --help`."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from nodeflow.diffusion.training.optimise import Report
from nodeflow.diffusion.training.stages import PLANS, STAGES, Workshop, export_checkpoint

EVERY = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that are asked for, in their order, then export."""
    parser = argparse.ArgumentParser(prog="python -m nodeflow.diffusion.training", description=__doc__)
    parser.add_argument("stages", nargs="*", choices=[*STAGES, "export", []], help="default: all, then export")
    parser.add_argument(
        "--folder", type=Path, default=Path("training"), help="state files; training continues from them"
    )
    parser.add_argument("--output", type=Path, default=Path("emoji-tiny.safetensors"), help="the checkpoint to write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="set OMP_NUM_THREADS=1 as well")
    parser.add_argument("--steps", type=int, help="another length for the one stage that is named")
    parser.add_argument("--slots", type=int, default=8192, help="latents held while the denoiser is trained")
    options = parser.parse_args(arguments)
    stages = options.stages or [*STAGES, "export"]
    if options.steps is not None and len(stages) != 1:
        parser.error("--steps goes with exactly one stage")
    torch.set_num_threads(1)
    plans = {name: replace(plan, steps=options.steps or plan.steps) for name, plan in PLANS.items()}
    options.folder.mkdir(parents=True, exist_ok=True)
    shop = Workshop(options.folder, options.seed, options.threads, slots=options.slots, plans=plans)
    for stage in stages:
        if stage == "export":
            export_checkpoint(shop, options.output)
            continue
        started, losses = time.monotonic(), list[float]()
        for report in STAGES[stage](shop):
            losses.append(report.loss)
            if report.step % EVERY == 0:
                _tell(stage, report, losses, time.monotonic() - started)
                losses.clear()
    return 0


def _tell(stage: str, report: Report, losses: Sequence[float], seconds: float) -> None:
    mean = sum(losses) / len(losses)
    sys.stderr.write(
        f"{stage} step {report.step}: loss {mean:.4f}, gradient {report.norm:.2f}, "
        f"{report.seconds:.2f} s per step, {seconds:.0f} s\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
