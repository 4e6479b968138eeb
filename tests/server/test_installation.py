"""What a server tells its user in files: readable by nobody else, and never there by half."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodeflow.client.address import ADDRESS_FILE
from nodeflow.core.errors import UsageError
from nodeflow.server.installation import FILE, announced, install_token
from nodeflow.storage.home import Home


def test_it_is_made_once_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    token = install_token(home)

    assert install_token(home) == token
    assert (home.root / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.root.iterdir()] == [FILE]


def test_whoever_looks_while_it_is_made_sees_all_of_it_and_all_makers_agree(tmp_path: Path) -> None:
    home, seen, done = Home(tmp_path), set(), threading.Event()

    def look() -> None:
        while not done.is_set():
            if (home.root / FILE).exists():
                seen.add((home.root / FILE).read_text())

    for _ in range(20):
        (home.root / FILE).unlink(missing_ok=True)
        seen.clear()
        done.clear()
        watcher = threading.Thread(target=look)
        watcher.start()
        with ThreadPoolExecutor(4) as makers:
            made = {each.result() for each in [makers.submit(install_token, home) for _ in range(4)]}
        done.set()
        watcher.join()
        assert len(made) == 1
        assert seen <= {f"{token}\n" for token in made}


def test_a_maker_that_was_killed_leaves_nothing_that_stays(tmp_path: Path) -> None:
    home = Home(tmp_path)
    program = (
        "import os, sys; from pathlib import Path; from nodeflow.storage.home import Home;"
        "from nodeflow.server.installation import install_token;"
        "os.fsync = lambda _: os.kill(os.getpid(), 9); install_token(Home(Path(sys.argv[1])))"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == -signal.SIGKILL
    assert not (home.root / FILE).exists()

    install_token(home)
    assert [path.name for path in home.root.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("", 0o600, "there is no token in it; delete the file"),
        ("nf_" + "x" * 40, 0o640, "other users of this machine may read it; run: chmod 600"),
        ("\N{SNOWMAN}" * 20, 0o600, "it is no text"),
    ],
)
def test_what_cannot_be_the_token_is_told_with_the_way_out(tmp_path: Path, text: str, mode: int, said: str) -> None:
    place = tmp_path / FILE
    place.write_text(text, encoding="utf-8")
    place.chmod(mode)

    with pytest.raises(UsageError, match=said) as caught:
        install_token(Home(tmp_path))
    assert str(place) in str(caught.value)


@pytest.mark.parametrize(
    ("listening", "told"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://0.0.0.0:9000", "http://127.0.0.1:9000"),
        ("http://[::]:9000", "http://[::1]:9000"),
        ("http://192.168.0.7:9000", "http://192.168.0.7:9000"),
    ],
)
def test_the_address_is_there_while_the_server_runs(tmp_path: Path, listening: str, told: str) -> None:
    place = tmp_path / ADDRESS_FILE
    place.write_text("http://127.0.0.1:1\n")  # of one that was killed
    place.chmod(0o644)
    with announced(Home(tmp_path), listening):
        assert place.read_text() == f"{told}\n"
        assert place.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []


def test_a_server_runs_where_its_address_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ADDRESS_FILE).mkdir()
    with announced(Home(tmp_path), "http://127.0.0.1:9000"):
        assert "clients have to be told that the server is at http://127.0.0.1:9000" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [ADDRESS_FILE]
