"""The run outside any graph: nothing is reported and nothing is written."""

import pytest

from nodeflow.core.errors import InputError
from nodeflow.core.run import quiet


def test_a_quiet_run_passes_steps_on() -> None:
    assert list(quiet.track([1, 2], total=2, preview=str)) == [1, 2]


def test_a_quiet_run_says_and_writes_nothing() -> None:
    quiet.warn("nobody hears this")
    quiet.show("nor sees that")
    assert quiet.save("folder/name", "png", b"data") == "folder/name_00001.png"
    assert quiet.provenance((0, 1)) == {}
    assert quiet.extensions("samplers") == {}
    assert (quiet.device, quiet.dtype, quiet.token) == ("cpu", "auto", "")


def test_a_quiet_run_has_no_settings() -> None:
    with pytest.raises(KeyError, match="quality"):
        quiet.setting("quality")


def test_a_quiet_run_knows_no_model_folders() -> None:
    with pytest.raises(
        InputError, match=r"^embeddings: style is not found: outside a graph no model folders are known$"
    ):
        quiet.model_file("embeddings", "style")
