"""Each shipped workflow runs on the embedded checkpoint, and the written picture shows what the prompt says."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nodeflow import Session
from nodeflow.diffusion.sampling.names import SAMPLER_NAMES, SCHEDULER_NAMES
from nodeflow.diffusion.training.recognise import Recogniser

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
CAPTION = 18
"""Pixels of a label below a picture of 128; see `nodeflow.diffusion.captions`."""


def written(session: Session, name: str, **inputs: object) -> Image.Image:
    """Runs a workflow and opens the file it wrote."""
    result = session.run(FOLDER / f"{name}.json", inputs)  # type: ignore[arg-type]
    with Image.open(result["picture"].path) as picture:
        picture.load()
    return picture


def shown(recogniser: Recogniser, picture: Image.Image) -> tuple[tuple[str, ...], str]:
    finding = recogniser.recognise(picture)
    return finding.things, finding.background


def test_txt2img_shows_its_prompt(session: Session, recogniser: Recogniser) -> None:
    picture = written(session, "txt2img")
    assert picture.size == (128, 128)
    assert shown(recogniser, picture) == (("cat",), "blue")


def test_txt2img_shows_another_prompt(session: Session, recogniser: Recogniser) -> None:
    picture = written(session, "txt2img", prompt="a rocket on a purple background", seed=3, steps=20)
    assert shown(recogniser, picture) == (("rocket",), "purple")


def test_img2img_turns_the_drawing_into_what_the_prompt_says(session: Session, recogniser: Recogniser) -> None:
    assert shown(recogniser, written(session, "img2img")) == (("pumpkin",), "purple")


def test_prompt_schedule_takes_the_background_of_one_text_and_the_thing_of_the_other(
    session: Session, recogniser: Recogniser
) -> None:
    assert shown(recogniser, written(session, "prompt_schedule")) == (("rocket",), "blue")
    late = [{"text": "a rocket on a yellow background"}]
    assert shown(recogniser, written(session, "prompt_schedule", prompt=late)) == (("rocket",), "yellow")


def test_merge_models_shows_what_each_part_of_the_network_does(session: Session, recogniser: Recogniser) -> None:
    sheet = written(session, "merge_models")
    cells = [sheet.crop((x, 0, x + 128, 128)) for x in range(0, sheet.width, 128 + 6)]
    assert [shown(recogniser, cell) for cell in cells[:3]] == [(("fox",), "yellow")] * 3
    contrast = [np.asarray(cell, np.float32)[:16].std(axis=(0, 1)).max() for cell in cells]  # above the fox
    assert contrast[3] > 3 * contrast[0]


def test_hires_fix_gives_its_prompt_in_the_size_of_the_second_pass(session: Session, recogniser: Recogniser) -> None:
    picture = written(session, "hires_fix")
    assert picture.size == (128, 128)
    assert shown(recogniser, picture) == (("fox",), "yellow")


def test_batch_grid_shows_nine_different_pictures_of_its_prompt(session: Session, recogniser: Recogniser) -> None:
    sheet = written(session, "batch_grid")
    side, gap = 128, 4
    places = [(column * (side + gap), row * (side + gap)) for row in range(3) for column in range(3)]
    cells = [sheet.crop((x, y, x + side, y + side)) for x, y in places]
    assert len({cell.tobytes() for cell in cells}) == 9
    good = [cell for cell in cells if shown(recogniser, cell)[0] == ("panda",)]
    assert len(good) >= 8


def test_steps_grid_shows_noise_becoming_a_picture(session: Session, recogniser: Recogniser) -> None:
    sheet = written(session, "steps_grid")
    side, gap = 128, 4
    assert sheet.size == (4 * side + 3 * gap, 2 * (side + CAPTION) + gap)
    first = sheet.crop((0, 0, side, side))
    last = sheet.crop((sheet.width - side, side + CAPTION + gap, sheet.width, side + CAPTION + gap + side))
    assert shown(recogniser, first)[0] != ("rocket",)
    assert shown(recogniser, last) == (("rocket",), "cyan")


@pytest.mark.parametrize(("wide", "size"), [(False, (128, 128)), (True, (192, 128))])
def test_switch_and_loop_takes_one_branch_and_refines(
    wide: bool, size: tuple[int, int], session: Session, recogniser: Recogniser
) -> None:
    result = session.run(FOLDER / "switch_and_loop.json", {"wide": wide})
    with Image.open(result["picture"].path) as picture:
        assert picture.size == size
        if not wide:
            assert shown(recogniser, picture) == (("unicorn",), "green")
    taken, other = ("landscape", "square") if wide else ("square", "landscape")
    assert result.nodes[taken].status in {"ran", "hit-memory"}  # another workflow may have made the same latent
    assert other not in result.nodes or result.nodes[other].status == "skipped"


def test_prompt_sheet_shows_every_line_of_its_text(session: Session, recogniser: Recogniser) -> None:
    lines = {
        "a panda on a green background": (("panda",), "green"),
        "a rocket on a black background": (("rocket",), "black"),
        "a fox on a cyan background": (("fox",), "cyan"),
    }
    sheet = written(session, "prompt_sheet", prompt="\n".join(lines), seed=1)
    cells = [sheet.crop((x, 0, x + 128, 128)) for x in range(0, sheet.width, 128 + 6)]
    assert [shown(recogniser, cell) for cell in cells[: len(lines)]] == [*lines.values()]


def test_for_each_shows_every_line_of_its_text_and_computes_only_a_changed_one_again(
    session: Session, recogniser: Recogniser
) -> None:
    lines = {
        "a cat on a blue background": (("cat",), "blue"),
        "a panda on a green background": (("panda",), "green"),
        "a rocket on a black background": (("rocket",), "black"),
    }
    places = [(0, 0), (134, 0), (0, 128 + 2 * CAPTION)]
    sheet = written(session, "for_each", prompt="\n".join(lines))
    height = (sheet.height - 6) // 2
    cells = [sheet.crop((x, y and height + 6, x + 128, (y and height + 6) + 128)) for x, y in places]
    assert [shown(recogniser, cell) for cell in cells] == [*lines.values()]
    changed = "\n".join([*[*lines][:2], "a fox on a cyan background"])
    result = session.run(FOLDER / "for_each.json", {"prompt": changed})
    ran = {id for id, report in result.nodes.items() if report.status == "ran" and id.endswith("sample")}
    assert ran == {"loop/item-2/sample"}


def test_subgraphs_shows_a_picture_for_each_use(session: Session, recogniser: Recogniser) -> None:
    sheet = written(session, "subgraphs")
    cells = [sheet.crop((x, 0, x + 128, 128)) for x in (0, 134)]
    assert [shown(recogniser, cell) for cell in cells] == [(("fox",), "yellow"), (("panda",), "purple")]


def test_a_value_inside_one_use_of_a_sub_graph_can_be_set(session: Session) -> None:
    result = session.run(FOLDER / "subgraphs.json", {"left/passes/second.steps": 3})
    again = {id for id, report in result.nodes.items() if report.status == "ran" and id.endswith(("first", "second"))}
    assert again == {"left/passes/second"}


def test_while_loop_grows_a_picture_until_it_is_large_enough(session: Session, recogniser: Recogniser) -> None:
    result = session.run(FOLDER / "while_loop.json")
    with Image.open(result["picture"].path) as picture:
        assert picture.size == (128, 128)
        assert shown(recogniser, picture) == (("pumpkin",), "purple")
    assert "grow/turn-1/sample" in result.nodes
    assert "grow/turn-2/sample" not in result.nodes


def test_samplers_sheet_shows_what_every_sampler_makes(session: Session, recogniser: Recogniser) -> None:
    document = json.loads((FOLDER / "samplers_sheet.json").read_text())
    names = document["nodes"]["samplers"]["inputs"]["text"].splitlines()
    assert names == [name for name in SAMPLER_NAMES if not name.endswith("_gpu")]  # those are other names of the same
    sheet = written(session, "samplers_sheet", steps=12)
    high, wide, columns = (sheet.height + 6) // -(-len(names) // 8), 128 + 6, 8
    corners = [(index % columns * wide, index // columns * high) for index in range(len(names))]
    cells = [shown(recogniser, sheet.crop((x, y, x + 128, y + 128))) for x, y in corners]
    # Few steps: two methods that need more of them may miss.
    assert len([cell for cell in cells if cell == (("cat",), "blue")]) >= len(names) - 2


def test_schedules_plot_draws_a_curve_for_every_schedule(session: Session) -> None:
    document = json.loads((FOLDER / "schedules_plot.json").read_text())
    assert document["nodes"]["schedules"]["inputs"]["text"].splitlines() == list(SCHEDULER_NAMES)
    plot = written(session, "schedules_plot")
    assert plot.size == (900, 560)
    colours = {colour for count, colour in plot.convert("RGB").getcolors(2**24) or [] if count > 100}
    assert len({each for each in colours if max(each) - min(each) > 60}) >= 7  # simple and sgm_uniform are one curve


def test_area_composition_shows_each_prompt_in_its_half(session: Session, recogniser: Recogniser) -> None:
    picture = written(session, "area_composition")
    assert picture.size == (256, 128)
    assert shown(recogniser, picture.crop((0, 0, 128, 128))) == (("panda",), "blue")
    assert shown(recogniser, picture.crop((128, 0, 256, 128))) == (("fox",), "blue")
    exchanged = written(session, "area_composition", left="a rocket on a blue background")
    assert shown(recogniser, exchanged.crop((0, 0, 128, 128))) == (("rocket",), "blue")
    assert shown(recogniser, exchanged.crop((128, 0, 256, 128))) == (("fox",), "blue")


def test_inpaint_paints_one_half_anew_and_keeps_the_other(session: Session, recogniser: Recogniser) -> None:
    result = session.run(FOLDER / "inpaint.json")
    with Image.open(result["original"].path) as before, Image.open(result["picture"].path) as after:
        assert shown(recogniser, before) == (("cat", "rocket"), "blue")
        assert shown(recogniser, after) == (("cat", "fox"), "blue")
        left = [np.asarray(picture.convert("RGB").crop((0, 0, 56, 128)), np.int16) for picture in (before, after)]
    assert np.abs(left[0] - left[1]).mean() < 8  # encoding and decoding change it by about 5 of 255


def test_outpaint_makes_a_picture_wider_and_keeps_its_middle(session: Session, recogniser: Recogniser) -> None:
    picture = written(session, "outpaint")
    assert picture.size == (256, 128)
    assert shown(recogniser, picture.crop((64, 0, 192, 128))) == (("cat",), "blue")
    sides = [np.asarray(picture.convert("RGB").crop(box)) for box in ((0, 0, 48, 128), (208, 0, 256, 128))]
    for side in sides:  # nothing but background: one colour with little spread, much more blue than red
        assert side.std(axis=(0, 1)).max() < 25
        assert side[..., 2].mean() > side[..., 0].mean() + 80


def test_two_pass_advanced_divides_one_run(session: Session, recogniser: Recogniser) -> None:
    assert shown(recogniser, written(session, "two_pass_advanced")) == (("panda",), "green")
    turned = written(session, "two_pass_advanced", then="a cat on a green background", switch=3)
    assert shown(recogniser, turned) == (("cat",), "green")
