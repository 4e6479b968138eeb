"""Sampling: the same inputs give the same latent, an item alone equals its row, and mistakes are told about inputs."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from nodeflow.api import InputError
from nodeflow.diffusion.latent_formats import LatentFormat
from nodeflow.diffusion.sampling.table import builtin_table
from nodeflow.diffusion.types import Conditioning, Entry, Latent, Model
from nodeflow_nodes.conditioning import clip_text_encode
from nodeflow_nodes.grids import chosen_steps, steps_grid
from nodeflow_nodes.latents import empty_latent
from nodeflow_nodes.loaders import Loaded
from nodeflow_nodes.sampling import ksampler
from nodeflow_nodes.vae import vae_decode

SAMPLERS = ("euler", "euler_ancestral", "ddim", "dpmpp_2m")


@pytest.fixture(scope="module")
def prompts(loaded: Loaded) -> tuple[Conditioning, Conditioning]:
    return clip_text_encode(loaded.clip, "a cat"), clip_text_encode(loaded.clip, "")


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scheduler", ["normal", "karras", "simple"])
def test_the_same_inputs_give_the_same_latent(
    sampler: str, scheduler: str, loaded: Loaded, prompts: tuple[Conditioning, Conditioning]
) -> None:
    def once(seed: int) -> torch.Tensor:
        return ksampler(loaded.model, *prompts, empty_latent(32, 32), seed, 3, 4.0, sampler, scheduler).samples

    assert torch.equal(once(1), once(1))
    assert not torch.equal(once(1), once(2))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_item_alone_equals_its_row_in_the_batch(
    sampler: str, loaded: Loaded, prompts: tuple[Conditioning, Conditioning]
) -> None:
    batch = empty_latent(24, 40, 3)
    whole = ksampler(loaded.model, *prompts, batch, 5, 3, 2.0, sampler)
    for row in range(3):
        alone = ksampler(loaded.model, *prompts, batch.select([row]), 5, 3, 2.0, sampler)
        assert alone.items == (whole.items[row],)
        difference = (alone.samples[0] - whole.samples[row]).abs().max()
        assert difference <= 1e-6 * whole.samples.abs().max()


def test_inputs_are_left_alone(loaded: Loaded, prompts: tuple[Conditioning, Conditioning]) -> None:
    latent = Latent(torch.randn(1, 4, 4, 4))
    tensors = [latent.samples, *(entry.context for each in prompts for entry in each.entries)]
    before = [tensor.clone() for tensor in tensors]
    ksampler(loaded.model, *prompts, latent, 1, 3, denoise=0.6)
    assert all(map(torch.equal, tensors, before))


def test_without_denoising_the_latent_is_handed_on(loaded: Loaded, prompts: tuple[Conditioning, Conditioning]) -> None:
    latent = Latent(torch.randn(1, 4, 4, 4))
    assert torch.equal(ksampler(loaded.model, *prompts, latent, denoise=0.0).samples, latent.samples)


def test_each_step_is_reported_with_a_preview(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], recorder: Any
) -> None:
    ksampler(loaded.model, *prompts, empty_latent(32, 32), steps=4, run=recorder)
    assert recorder.steps == 4
    assert [preview.pixels.shape for preview in recorder.previews] == [(1, 4, 4, 3)] * 4


def test_a_run_can_end_between_two_steps(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], recorder: Any
) -> None:
    class Stopped(Exception):
        pass

    class Stopping(type(recorder)):  # type: ignore[misc]
        def track(self, steps: Iterator[Any], **_: object) -> Iterator[Any]:
            yield next(steps)
            raise Stopped

    with pytest.raises(Stopped):
        ksampler(loaded.model, *prompts, empty_latent(32, 32), steps=10_000, run=Stopping())


def test_a_latent_of_other_channels_is_refused(loaded: Loaded, prompts: tuple[Conditioning, Conditioning]) -> None:
    with pytest.raises(InputError, match=r"^latent: the latent "):
        ksampler(loaded.model, *prompts, Latent(torch.zeros(1, 16, 4, 4)), steps=1)


def test_a_latent_of_another_family_is_refused(loaded: Loaded, prompts: tuple[Conditioning, Conditioning]) -> None:
    with pytest.raises(InputError, match=r"^latent: the latent "):
        ksampler(loaded.model, *prompts, Latent(torch.zeros(1, 4, 4, 4), LatentFormat("other")), steps=1)


def test_conditioning_of_another_width_is_refused(loaded: Loaded) -> None:
    other = Conditioning((Entry(torch.zeros(1, 77, 768)),))
    with pytest.raises(InputError, match=r"^positive: the positive conditioning has 768"):
        ksampler(loaded.model, other, other, empty_latent(32, 32), steps=1)


def test_nan_from_the_model_is_told_of_the_model(
    prompts: tuple[Conditioning, Conditioning], broken_model: Model
) -> None:
    with pytest.raises(InputError, match=r"^model: .*NaN"):
        ksampler(broken_model, *prompts, empty_latent(32, 32), steps=2)


def test_the_grid_shows_the_chosen_steps(loaded: Loaded, prompts: tuple[Conditioning, Conditioning]) -> None:
    sheet = steps_grid(loaded.model, *prompts, empty_latent(32, 32, 2), loaded.vae, steps=5, show="1 3,5", columns=3)
    assert len(sheet) == 1
    assert sheet.width > 3 * 32
    assert 32 < sheet.height < 2 * 32


def test_the_last_cell_of_the_grid_is_the_finished_picture(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning]
) -> None:
    latent = empty_latent(32, 32)
    finished = vae_decode(ksampler(loaded.model, *prompts, latent, 3, 4), loaded.vae)
    sheet = steps_grid(loaded.model, *prompts, latent, loaded.vae, 3, 4, show="4")
    windows = sheet.pixels[0].unfold(0, 32, 1).unfold(1, 32, 1)  # y x c 32 32
    target = finished.pixels[0].permute(2, 0, 1)
    assert ((windows - target).abs().amax(dim=(2, 3, 4)) < 1e-6).any()


@pytest.mark.parametrize("show", ["0", "21", "two", "1;2", "9" * 5000])
def test_a_step_that_there_is_not_is_refused_with_the_range(show: str) -> None:
    with pytest.raises(InputError, match=r"^show: .* is none of the steps 1 to 20"):
        chosen_steps(show, 20)


def test_empty_shows_eight_steps_from_the_first_to_the_last() -> None:
    assert sorted(chosen_steps(" ", 20)) == [1, 4, 6, 9, 12, 15, 17, 20]
    assert sorted(chosen_steps("", 3)) == [1, 2, 3]
    assert sorted(chosen_steps("", 1)) == [1]


def test_a_grid_of_no_steps_is_refused(loaded: Loaded, prompts: tuple[Conditioning, Conditioning]) -> None:
    with pytest.raises(InputError, match=r"^denoise: "):
        steps_grid(loaded.model, *prompts, empty_latent(32, 32), loaded.vae, denoise=0.0)


def test_a_sampler_and_a_schedule_of_a_pack_are_used(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning], recorder: Any
) -> None:
    table = builtin_table()
    recorder.added = {
        "samplers": {"mine": table.sampler("euler").solve, "entry": table.sampler("ddim")},
        "schedulers": {"steep": table.schedule("karras")},
    }
    expected = ksampler(loaded.model, *prompts, empty_latent(32, 32), 1, 3, 4.0, "euler", "karras")
    for name in ("mine", "entry"):
        found = ksampler(loaded.model, *prompts, empty_latent(32, 32), 1, 3, 4.0, name, "steep", run=recorder)
        assert torch.equal(found.samples, expected.samples)


def test_a_denoise_that_is_next_to_nothing_is_refused(
    loaded: Loaded, prompts: tuple[Conditioning, Conditioning]
) -> None:
    with pytest.raises(InputError, match=r"^denoise: denoise 1e-09 is too small for 20 steps"):
        ksampler(loaded.model, *prompts, empty_latent(32, 32), denoise=1e-9)


def test_a_sampler_that_nobody_has_added_is_refused(loaded: Loaded, prompts: tuple[Conditioning, Conditioning]) -> None:
    with pytest.raises(InputError, match=r"^sampler: .*'eulr' is unknown; .*did you mean euler"):
        ksampler(loaded.model, *prompts, empty_latent(32, 32), sampler="eulr")
