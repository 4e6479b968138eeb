"""Nodes that change how a model's predictions are read."""

import dataclasses
from typing import Literal

from nodeflow.api import Lane, node
from nodeflow.diffusion.types import Model, Prediction

_PREDICTIONS = {
    "eps": Prediction.EPS,
    "v_prediction": Prediction.V,
    "lcm": Prediction.LCM,
    "x0": Prediction.X0,
}


@node("ModelSamplingDiscrete", category="advanced/model", title="What a model predicts", lane=Lane.CPU)
def model_sampling_discrete(
    model: Model, sampling: Literal["eps", "v_prediction", "lcm", "x0"] = "eps", zsnr: bool = False
) -> Model:
    """Say what a model predicts, where its file does not tell.

    Args:
        model: The denoising network.
        sampling: The noise (`eps`, most models), a velocity (`v_prediction`), the noise as a latent consistency model
            does (`lcm`, for 1 to 8 steps with sampler `lcm`), or the picture (`x0`).
        zsnr: The model was trained with noise levels up to pure noise (zero terminal SNR).
    """
    return dataclasses.replace(model, prediction=_PREDICTIONS[sampling], zero_terminal=zsnr)
