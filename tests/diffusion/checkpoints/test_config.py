"""The settings a file may carry in its metadata."""

import json
from pathlib import Path
from typing import Any

import pytest

from nodeflow.diffusion.checkpoints.config import METADATA_KEY, FileConfig, file_config
from nodeflow.diffusion.checkpoints.read import Header, TensorInfo
from nodeflow.diffusion.errors import CheckpointError
from nodeflow.diffusion.latent_formats import SD1
from nodeflow.diffusion.types import Prediction


def found(settings: Any) -> FileConfig:
    text = settings if isinstance(settings, str) else json.dumps(settings)
    return file_config(Header(Path("some.safetensors"), {}, {METADATA_KEY: text}))


def test_without_settings_stable_diffusion_1_is_the_convention() -> None:
    assert file_config(Header(Path("some.safetensors"), {}, {})) == FileConfig()
    assert FileConfig().latent_format(SD1, 4, 8) is SD1


def test_every_setting_is_read() -> None:
    assert found(
        {
            "unet": {"num_heads": 4, "norm_groups": 16},
            "vae": {"norm_groups": 8},
            "text": {"heads": 2, "activation": "gelu"},
            "latent": {"scale": 0.5, "name": "mine", "preview": "anchored"},
            "prediction": "v",
            "training": {"anything": ["goes"]},
        }
    ) == FileConfig(4, 16, 8, 2, "gelu", 0.5, "mine", True, Prediction.V)


def test_marks_among_the_tensors_are_read_as_other_programs_do() -> None:
    nothing = TensorInfo("F32", (0,))
    header = Header(Path("some.safetensors"), {"v_pred": nothing, "ztsnr": nothing}, {})
    assert file_config(header) == FileConfig(prediction=Prediction.V, zero_terminal=True)


def test_a_latent_space_that_differs_has_a_name_of_its_own() -> None:
    assert found({"latent": {"scale": 0.18215}}).latent_format(SD1, 4, 8) == SD1
    other = found({"latent": {"scale": 2}}).latent_format(SD1, 4, 8)
    assert (other.name, other.scale, other.preview) == ("sd1-like, scale 2", 2.0, SD1.preview)
    small = FileConfig().latent_format(SD1, 3, 4)
    assert (small.channels, small.factor, small.preview) == (3, 4, ())
    anchored = found({"latent": {"scale": 0.5, "preview": "anchored", "name": "mine"}}).latent_format(SD1, 4, 8)
    assert anchored.name == "mine"
    assert anchored.preview[0] == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no table"),
        ({"unet": 5}, "unet is no table"),
        ({"unet": {"heads": 5}}, "unet.heads is unknown; known are num_heads, norm_groups"),
        ({"unet": {"num_heads": 0}}, "unet.num_heads is 0; a int is expected"),
        ({"unet": {"num_heads": True}}, "unet.num_heads is True"),
        ({"unet": {"num_heads": 4.0}}, "unet.num_heads is 4.0"),
        ({"latent": {"scale": "big"}}, "latent.scale is 'big'; a float is expected"),
        ({"latent": {"scale": -1}}, "latent.scale is -1"),
        ({"latent": {"preview": "blurry"}}, "'blurry' is unknown; expected family or anchored"),
        ({"text": {"activation": "relu"}}, "'relu' is unknown; expected quick_gelu or gelu"),
        ({"prediction": "noise"}, "'noise' is unknown; expected eps or v or "),
    ],
)
def test_wrong_settings_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"^some.safetensors: .*{message}"):
        found(settings)
