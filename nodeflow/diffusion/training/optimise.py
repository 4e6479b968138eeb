"""Gradient descent on several threads: seeded, resumable, the same whatever the number of threads."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[[int, int], Tensor]
"""Loss of one part of one step: it draws its own batch from (step, part), so a step can be repeated."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to train.

    Attributes:
        steps: updates of the weights.
        parts: micro-batches per step, the unit that threads share out among themselves.
        rate: highest learning rate.
        warmup: steps until it is reached.
        flat: part of the steps before the rate falls as a cosine.
        average: decay of the running average of the weights.
        clip: largest norm of the gradient.
        weight_decay: of AdamW.
        betas: of AdamW.
    """

    steps: int
    parts: int = 4
    rate: float = 1e-3
    warmup: int = 100
    flat: float = 0.0
    average: float = 0.999
    clip: float = 1.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear rise, flat, cosine fall to 2 %."""
        rise = min(1.0, (step + 1) / self.warmup)
        start = self.flat * self.steps
        fallen = min(1.0, max(0.0, (step - start) / max(1.0, self.steps - start)))
        return self.rate * rise * (0.02 + 0.98 * (1 + math.cos(math.pi * fallen)) / 2)


@dataclass(frozen=True, slots=True)
class Report:
    """One step done: its number (from 1), mean loss, gradient norm and seconds."""

    step: int
    loss: float
    norm: float
    seconds: float


class Descent:
    """The state of a training: weights, their running average, the optimiser and the number of steps done."""

    def __init__(self, modules: dict[str, nn.Module], plan: Plan) -> None:
        self.modules = modules
        self.plan = plan
        self.step = 0
        self._named = {
            f"{name}.{key}": parameter
            for name, module in modules.items()
            for key, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self._parameters: list[Tensor] = list(self._named.values())
        self._average = [parameter.detach().clone() for parameter in self._parameters]
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=plan.rate, betas=plan.betas, weight_decay=plan.weight_decay, fused=True
        )

    def run(self, loss: Loss, threads: int = 2) -> Iterator[Report]:
        """Take the remaining steps, yielding after each.

        Gradients of the parts are summed in their order, so the result does not depend on which thread was quicker.
        """
        with ThreadPoolExecutor(threads) as pool:
            while self.step < self.plan.steps:
                started = time.perf_counter()
                gradient = partial(self._gradient, loss, self.step)
                parts = list(pool.map(gradient, range(self.plan.parts)))
                norm = self._update([gradients for _, gradients in parts])
                self.step += 1
                mean = sum(value for value, _ in parts) / len(parts)
                yield Report(self.step, mean, norm, time.perf_counter() - started)

    def _gradient(self, loss: Loss, step: int, part: int) -> tuple[float, Sequence[Tensor]]:
        value = loss(step, part)
        return value.item(), torch.autograd.grad(value, self._parameters)

    def _update(self, gradients: Sequence[Sequence[Tensor]]) -> float:
        for parameter, *parts in zip(self._parameters, *gradients, strict=True):
            parameter.grad = torch.stack(parts).mean(0) if len(parts) > 1 else parts[0]
        norm = float(nn.utils.clip_grad_norm_(self._parameters, self.plan.clip))
        for group in self._optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        self._optimiser.step()
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for average, parameter in zip(self._average, self._parameters, strict=True):
                average.lerp_(parameter, 1 - decay)
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {
            "step": self.step,
            "weights": dict(zip(self._named, (p.detach() for p in self._parameters), strict=True)),
            "average": dict(zip(self._named, self._average, strict=True)),
            "optimiser": self._optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self.step = state["step"]
        with torch.no_grad():
            for name, parameter, average in zip(self._named, self._parameters, self._average, strict=True):
                parameter.copy_(state["weights"][name])
                average.copy_(state["average"][name])
        self._optimiser.load_state_dict(state["optimiser"])
