"""One server for all attacks that leave it as it is."""

import pytest

from tests.server.serving import served


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("attacked")) as server:
        yield server
