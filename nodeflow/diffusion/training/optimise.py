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


_LEAST_MATRIX = 16
_SHARDS = 2


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
        betas: of AdamW.
        muon: weights of 16 and more rows and columns move by orthogonalised momentum (Jordan et al. 2024, "Muon")
            instead, scaled to steps of AdamW's size. Each picture teaches more; the price of a step hardly depends on
            the batch, so it pays where a step is expensive for the size of the weights, as in a decoder.
    """

    steps: int
    parts: int = 4
    rate: float = 1e-3
    warmup: int = 100
    flat: float = 0.0
    average: float = 0.999
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    muon: bool = False

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
        self._shards = [_Shard(self._parameters[start::_SHARDS], plan) for start in range(_SHARDS)]

    def run(self, loss: Loss, threads: int = 2) -> Iterator[Report]:
        """Take the remaining steps, yielding after each.

        Gradients of the parts are summed in their order, so the result does not depend on which thread was quicker.
        """
        with ThreadPoolExecutor(threads) as pool:
            while self.step < self.plan.steps:
                started = time.perf_counter()
                gradient = partial(self._gradient, loss, self.step)
                parts = list(pool.map(gradient, range(self.plan.parts)))
                norm = self._update(pool, [gradients for _, gradients in parts])
                self.step += 1
                mean = sum(value for value, _ in parts) / len(parts)
                yield Report(self.step, mean, norm, time.perf_counter() - started)

    def _gradient(self, loss: Loss, step: int, part: int) -> tuple[float, Sequence[Tensor]]:
        value = loss(step, part)
        return value.item(), torch.autograd.grad(value, self._parameters)

    def _update(self, pool: ThreadPoolExecutor, gradients: Sequence[Sequence[Tensor]]) -> float:
        list(pool.map(_put_mean, self._parameters, *gradients))
        norm = float(nn.utils.clip_grad_norm_(self._parameters, self.plan.clip))
        rate = self.plan.rate_at(self.step)
        list(pool.map(partial(_Shard.step, rate=rate), self._shards))
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        list(pool.map(partial(_approach, part=1 - decay), self._average, self._parameters))
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {
            "step": self.step,
            "weights": dict(zip(self._named, (p.detach() for p in self._parameters), strict=True)),
            "average": dict(zip(self._named, self._average, strict=True)),
            "shards": [shard.state_dict() for shard in self._shards],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken."""
        self.step = state["step"]
        with torch.no_grad():
            for name, parameter, average in zip(self._named, self._parameters, self._average, strict=True):
                parameter.copy_(state["weights"][name])
                average.copy_(state["average"][name])
        for shard, kept in zip(self._shards, state["shards"], strict=True):
            shard.load_state_dict(kept)


def _put_mean(parameter: Tensor, *gradients: Tensor) -> None:
    total = gradients[0].clone()
    for gradient in gradients[1:]:
        total += gradient
    parameter.grad = total.div_(len(gradients))


@torch.no_grad()
def _approach(average: Tensor, parameter: Tensor, part: float) -> None:
    average.lerp_(parameter, part)


class _Shard:
    """Some of the parameters with their optimisers, so that threads can share out an update."""

    def __init__(self, parameters: Sequence[Tensor], plan: Plan) -> None:
        self._turned = [
            (parameter, nn.Parameter(parameter.detach().flatten(1)))  # the same memory as a matrix
            for parameter in parameters
            if plan.muon and parameter.ndim > 1 and min(parameter.flatten(1).shape) >= _LEAST_MATRIX
        ]
        turned = {id(parameter) for parameter, _ in self._turned}
        others = [parameter for parameter in parameters if id(parameter) not in turned]
        matrices = [matrix for _, matrix in self._turned]
        self._optimisers: list[torch.optim.Optimizer] = []
        if others:
            self._optimisers.append(torch.optim.AdamW(others, plan.rate, plan.betas, weight_decay=0, fused=True))
        if matrices:
            self._optimisers.append(
                torch.optim.Muon(matrices, plan.rate, weight_decay=0, adjust_lr_fn="match_rms_adamw")
            )

    def step(self, rate: float) -> None:
        """Move the parameters by their gradients."""
        for parameter, matrix in self._turned:
            matrix.grad = None if parameter.grad is None else parameter.grad.flatten(1)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """The states of the optimisers."""
        return [optimiser.state_dict() for optimiser in self._optimisers]

    def load_state_dict(self, states: Sequence[dict[str, Any]]) -> None:
        """Take up states given by `state_dict`."""
        for optimiser, state in zip(self._optimisers, states, strict=True):
            optimiser.load_state_dict(state)
