"""Scenes and captions: drawn from a seed, true to each other, and never from what is held out."""

import random
from collections import Counter

import pytest
import torch

from nodeflow.diffusion.tokens import Tokenizer
from nodeflow.diffusion.training.captions import FILLERS, Lexicon, article, caption, plain_caption
from nodeflow.diffusion.training.scenes import (
    TIGHT,
    Pair,
    Placed,
    Plain,
    Scene,
    Single,
    draw_scene,
    lay_out,
    render,
    split_of,
)
from nodeflow.diffusion.training.sheet import sheet_sprites
from nodeflow.diffusion.training.text import answers
from nodeflow.diffusion.training.vocabulary import (
    COLOURS,
    PLACE_WORDS,
    PLAIN_PHRASES,
    SIZE_WORDS,
    THINGS,
    Place,
    Size,
    Split,
    split_of_colour,
    split_of_pair,
)


def scenes(count: int, seed: int = 0, split: Split = Split.TRAIN) -> list[Scene]:
    rng = random.Random(seed)
    return [draw_scene(rng, split) for _ in range(count)]


def test_the_vocabulary_is_large_and_has_no_word_twice() -> None:
    nouns = [noun for thing in THINGS for noun in thing.nouns]
    assert len(THINGS) >= 60
    assert len(COLOURS) == 12
    assert len(nouns) == len(set(nouns))


def test_about_nine_percent_of_the_colour_and_object_pairs_are_held_out_for_the_test() -> None:
    colours = Counter(split_of_colour(thing, colour) for thing in range(len(THINGS)) for colour in range(len(COLOURS)))
    pairs = Counter(split_of_pair(one, other) for one in range(len(THINGS)) for other in range(one))
    assert colours[Split.TEST] / colours.total() == pytest.approx(0.09, abs=0.02)
    assert pairs[Split.TEST] / pairs.total() == pytest.approx(0.09, abs=0.02)
    assert colours[Split.DEVELOPMENT] > 20
    assert pairs[Split.DEVELOPMENT] > 40


def test_the_order_of_two_things_does_not_change_their_split() -> None:
    assert all(split_of_pair(one, 7) is split_of_pair(7, one) for one in range(len(THINGS)) if one != 7)


def test_training_scenes_never_show_a_combination_that_is_held_out() -> None:
    for scene in scenes(3000):
        assert split_of(scene.subject, scene.colour) is Split.TRAIN
        assert all(split_of_colour(thing, scene.colour) is Split.TRAIN for thing in scene.things)
        if isinstance(scene.subject, Pair):
            assert split_of_pair(scene.subject.first, scene.subject.second) is Split.TRAIN


def test_scenes_are_reproducible_and_of_every_kind() -> None:
    assert scenes(50, seed=3) == scenes(50, seed=3)
    assert scenes(50, seed=3) != scenes(50, seed=4)
    assert {type(scene.subject) for scene in scenes(200)} == {Single, Pair, Plain}


def test_every_split_can_be_drawn_from() -> None:
    for split in Split:
        assert all(split_of(scene.subject, scene.colour) is split for scene in scenes(20, split=split))


@pytest.mark.parametrize(
    ("place", "nearer"), [(Place.LEFT, "x<"), (Place.RIGHT, "x>"), (Place.TOP, "y<"), (Place.BOTTOM, "y>")]
)
def test_a_place_that_is_told_is_where_the_thing_is(place: Place, nearer: str) -> None:
    scene = lay_out(Single(0, None, place), 1, random.Random(0))
    along = getattr(scene.placed[0], nearer[0])
    assert (along < 0.4) if nearer[1] == "<" else (along > 0.6)


def test_sizes_that_are_told_are_in_order() -> None:
    sizes = [lay_out(Single(0, size), 1, random.Random(0)).placed[0].size for size in Size]
    assert sizes == sorted(sizes)


def test_tight_scenes_of_one_subject_hardly_differ() -> None:
    rng = random.Random(0)
    placed = [lay_out(Single(0), 1, rng, TIGHT).placed[0] for _ in range(50)]
    assert max(item.x for item in placed) - min(item.x for item in placed) <= 0.02
    assert max(abs(item.angle) for item in placed) <= 1
    assert len(set(placed)) == 50


def test_captions_say_what_the_scene_shows() -> None:
    rng = random.Random(1)
    for scene in scenes(500, seed=1):
        text = caption(scene, rng)
        for thing in scene.things:
            assert any(noun in text for noun in THINGS[thing].nouns), text
        if isinstance(scene.subject, Single):
            if scene.subject.size:
                assert any(word in text for word in SIZE_WORDS[scene.subject.size]), text
            if scene.subject.place:
                assert any(words in text for words in PLACE_WORDS[scene.subject.place]), text


def test_a_plain_caption_names_the_colour_and_its_article_fits() -> None:
    assert plain_caption(0, "orange") == "a plain orange background"
    assert plain_caption(2, "orange") == "an orange background"
    assert all("blue" in plain_caption(phrase, "blue") for phrase in range(len(PLAIN_PHRASES)))
    assert [article(noun) for noun in ("owl", "unicorn", "umbrella", "cat")] == ["an", "a", "an", "a"]


def test_a_plain_background_has_no_words_for_things() -> None:
    scene = Scene(Plain(0), 4, (), (0.0, 0.0, 0.0), 0.0)
    assert "plain" in caption(scene, random.Random(0))
    assert answers(scene, "a plain blue background")[:3] == (len(THINGS), len(THINGS), 4)


def test_answers_tell_what_a_caption_leaves_unsaid() -> None:
    scene = Scene(Pair(2, 3, stacked=True), 4, (), (0.0, 0.0, 0.0), 0.0)
    assert answers(scene, "a fox above a panda") == (2, 3, len(COLOURS), len(Size), len(Place), 1)


def test_words_without_meaning_share_the_row_of_unknown_tokens() -> None:
    lexicon = Lexicon.of_grammar(Tokenizer.from_package())
    rows = lexicon.encode(["cat zebra", ""])
    assert rows.shape == (2, 77)
    assert rows[0, 1] > 0
    assert rows[0, 2] == 0
    assert rows[1, 1:].eq(lexicon.rows - 1).all()
    known = [word for word in FILLERS if lexicon.encode([word])[0, 1] != 0]
    assert known == []


def test_a_caption_that_is_too_long_is_cut_and_still_ends() -> None:
    rows = Lexicon.of_grammar(Tokenizer.from_package()).encode(["cat " * 100])
    assert rows.shape == (1, 77)
    assert rows[0, -1] == rows.max()


def test_rendering_is_reproducible_and_in_range() -> None:
    sprites = sheet_sprites()
    drawn = scenes(12)
    pictures = render(drawn, sprites)
    assert pictures.shape == (12, 3, 128, 128)
    assert -1 <= float(pictures.min()) < float(pictures.max()) <= 1
    assert torch.equal(pictures, render(drawn, sprites))


def test_a_thing_is_painted_where_the_scene_has_it() -> None:
    scene = Scene(Single(54), 4, (Placed(54, 0.25, 0.5, 0.4, 0.0),), (0.0, 0.0, 0.0), 0.0)
    plain = Scene(Plain(0), 4, (), (0.0, 0.0, 0.0), 0.0)
    changed = (render([scene], sheet_sprites()) - render([plain], sheet_sprites())).abs().sum(1)[0] > 0.1
    rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
    assert 0.03 * 128 < int(columns.min()) < int(columns.max()) < 0.47 * 128
    assert 0.28 * 128 < int(rows.min()) < int(rows.max()) < 0.72 * 128
