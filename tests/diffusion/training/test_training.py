"""Training: the loss falls, nothing depends on threads, and a run that was cut continues as if it had not been."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints import load_checkpoint
from nodeflow.diffusion.models.vae import AutoencoderKL, VAEConfig
from nodeflow.diffusion.training import autoencoder, denoiser
from nodeflow.diffusion.training.__main__ import main
from nodeflow.diffusion.training.optimise import Descent, Loss, Plan
from nodeflow.diffusion.training.score import draw
from nodeflow.diffusion.training.stages import PLANS, STAGES, Workshop, export_checkpoint

TINY = VAEConfig(channels=4, channel_mult=(1, 1, 2, 2), num_res_blocks=1, norm_groups=2)


def regression(module: nn.Module) -> Loss:
    """Learn to give zero, from inputs that step and part decide."""

    def loss(step: int, part: int) -> Tensor:
        inputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(step * 10 + part))
        squared: Tensor = module(inputs).square()
        return squared.mean()

    return loss


def line(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 2))


PLAN = Plan(steps=12, parts=3, rate=0.05, warmup=2)


def test_the_loss_falls() -> None:
    module = line()
    reports = list(Descent({"line": module}, PLAN).run(regression(module)))
    assert [report.step for report in reports] == list(range(1, 13))
    assert reports[-1].loss < reports[0].loss


def test_the_weights_do_not_depend_on_the_number_of_threads() -> None:
    one, three = line(), line()
    list(Descent({"line": one}, PLAN).run(regression(one), threads=1))
    list(Descent({"line": three}, PLAN).run(regression(three), threads=3))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), three.parameters(), strict=True))


@pytest.mark.parametrize("muon", [False, True])
def test_a_descent_that_was_cut_continues_to_the_same_bits(muon: bool) -> None:
    whole, half, rest = line(), line(), line(seed=1)
    plan = replace(PLAN, muon=muon)
    list(Descent({"line": whole}, plan).run(regression(whole)))
    first = Descent({"line": half}, plan)
    for report in first.run(regression(half)):
        if report.step == 5:
            break
    second = Descent({"line": rest}, plan)
    second.load_state_dict(first.state_dict())
    list(second.run(regression(rest)))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), rest.parameters(), strict=True))


def test_the_rate_rises_stays_and_falls() -> None:
    plan = Plan(steps=100, rate=1.0, warmup=10, flat=0.5)
    rates = [plan.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[20] == rates[49] == 1.0
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] < 0.05


def test_the_loss_of_a_small_autoencoder_falls_and_so_does_its_error() -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL(TINY)
    shop = Workshop(Path(), font=None)
    before = autoencoder.psnr(vae, autoencoder.draw_batch(shop.sprites, 4, 5, 0, 0)).mean()
    loss = autoencoder.joint_loss(vae, shop.sprites, 2, seed=0)
    reports = list(Descent({"vae": vae}, Plan(steps=12, parts=1, rate=5e-3, warmup=1)).run(loss))
    assert sum(report.loss for report in reports[-3:]) < sum(report.loss for report in reports[:3])
    assert autoencoder.psnr(vae, autoencoder.draw_batch(shop.sprites, 4, 5, 0, 0)).mean() > before


def test_the_loss_weights_have_a_floor_where_the_noise_is_strongest() -> None:
    weights = denoiser.loss_weights()
    kept = denoiser.alphas_cumprod()
    snr = kept / (1 - kept)
    assert float(weights[-1] * snr[-1]) == pytest.approx(0.25)
    assert float(weights[0] * snr[0]) == pytest.approx(5.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Every stage run for two steps, at the real sizes of the networks."""
    plans = {name: replace(plan, steps=2, parts=1, flat=1.0) for name, plan in PLANS.items()}
    shop = Workshop(
        tmp_path_factory.mktemp("training"), threads=1, part=1, slots=3, save_every=0, font=None, plans=plans
    )
    for name in ("autoencoder", "decoder", "text", "denoiser"):
        assert [report.step for report in STAGES[name](shop)] == [1, 2]
    return shop


def test_a_stage_that_is_done_does_nothing_more(trained: Workshop) -> None:
    assert list(STAGES["decoder"](trained)) == []


def test_a_stage_says_which_one_has_to_run_before(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the stage 'autoencoder' first"):
        next(STAGES["decoder"](Workshop(tmp_path, font=None)))


def test_the_exported_file_loads_and_draws(trained: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "emoji.safetensors"
    export_checkpoint(trained, path)
    assert path.stat().st_size < 40_000_000
    checkpoint = load_checkpoint(path)
    pictures = draw(checkpoint, ["a cat", "a plain blue background"], seed=0, steps=2)
    assert pictures.shape == (2, 3, 128, 128)


def test_the_denoiser_continues_to_the_same_bits(trained: Workshop, tmp_path: Path) -> None:
    longer = {name: replace(plan, steps=3) for name, plan in trained.plans.items()}
    for name in ("autoencoder", "decoder", "text"):
        (tmp_path / f"{name}.pt").write_bytes(trained.state_file(name).read_bytes())
    whole = replace(trained, folder=tmp_path, plans=longer)
    list(STAGES["denoiser"](whole))
    cut = replace(trained, plans=longer)
    assert [report.step for report in STAGES["denoiser"](cut)] == [3]
    one, two = whole.state("denoiser"), cut.state("denoiser")
    assert all(torch.equal(one["weights"][key], two["weights"][key]) for key in one["weights"])
    assert torch.equal(one["latents"], two["latents"])


def test_the_command_refuses_a_length_for_several_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["text", "denoiser", "--steps", "5", "--folder", str(tmp_path)])
    assert "exactly one stage" in capsys.readouterr().err


def test_the_command_trains_one_stage_and_refuses_unknown_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["text", "--steps", "1", "--folder", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "text.pt").exists()
    with pytest.raises(SystemExit):
        main(["sharpener", "--folder", str(tmp_path)])
    assert "unknown stage sharpener" in capsys.readouterr().err
