"""Names that are made from other names."""

import pytest

from nodeflow.core import names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("KSampler", "k_sampler"),
        ("CLIPTextEncode", "clip_text_encode"),
        ("VAEDecode", "vae_decode"),
        ("Vae", "vae"),
        ("LoadImage2", "load_image_2"),
        ("already_snake", "already_snake"),
        ("_", "node"),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    assert names.snake_case(name) == expected


def test_a_title_is_the_words_of_the_id_without_the_pack() -> None:
    assert names.title("mypack.SoftBlur") == "Soft Blur"
    assert names.title("CLIPTextEncode") == "CLIP Text Encode"


def test_numbers_and_texts_have_plain_words_as_names() -> None:
    assert [names.socket_name(type) for type in ("int", "float", "str", "bool", "ClipVision")] == [
        "number",
        "number",
        "text",
        "boolean",
        "clip_vision",
    ]


@pytest.mark.parametrize(("name", "expected"), [("image", "images"), ("box", "boxes"), ("mesh", "meshes")])
def test_plural(name: str, expected: str) -> None:
    assert names.plural(name) == expected
