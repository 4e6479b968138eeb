"""Databases of every version open; a fresh one is made without Alembic and is what Alembic would have made."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from nodeflow.core.errors import UsageError
from nodeflow.storage.database import jobs
from nodeflow.storage.database.migrating import configuration, migrate
from nodeflow.storage.database.opening import HEAD, open_database
from nodeflow.storage.database.store import Store
from nodeflow.storage.database.tables import metadata

SAVED = sorted((Path(__file__).parent / "saved").glob("*.sql"))


def shape(path: Path) -> dict[str, object]:
    """Columns, keys and indices of all tables."""
    found = sqlite3.connect(path)
    try:
        tables = [row[0] for row in found.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        indices = found.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return {
            **{
                table: (
                    found.execute(f"PRAGMA table_info({table})").fetchall(),
                    found.execute(f"PRAGMA foreign_key_list({table})").fetchall(),
                    found.execute(f"PRAGMA table_list({table})").fetchall(),
                )
                for table in tables
            },
            **{name: " ".join(sql.split()) for name, sql in indices},
        }
    finally:
        found.close()


def test_the_newest_migration_is_the_one_this_version_names() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD


def test_migrations_lead_to_the_tables_of_the_code(tmp_path: Path) -> None:
    config = configuration()
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    Store.open(tmp_path / "made.db").close()
    assert shape(tmp_path / "migrated.db") == shape(tmp_path / "made.db")


def test_alembic_can_be_used_from_the_shell(tmp_path: Path) -> None:
    config = configuration()
    ini = tmp_path / "alembic.ini"
    ini.write_text(f"[alembic]\nscript_location = {config.get_main_option('script_location')}\npath_separator = os\n")
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", ini, "-x", f"file={tmp_path / 'shell.db'}", "upgrade", "head"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "jobs" in shape(tmp_path / "shell.db")


@pytest.mark.parametrize("saved", SAVED, ids=lambda saved: saved.stem)
def test_databases_of_earlier_versions_open_with_all_that_is_in_them(saved: Path, path: Path) -> None:
    old = sqlite3.connect(path)
    old.executescript(saved.read_text(encoding="utf-8"))
    old.close()
    store = Store.open(path)
    page = store.read_now(lambda c: jobs.page(c, client=None))
    assert {job.state.value for job in page.jobs} == {"queued", "running", "succeeded", "failed", "cancelled"}
    assert all(store.read_now(lambda c, id=job.id: jobs.info(c, id, None)) is not None for job in page.jobs)
    store.close()


def test_every_version_has_a_saved_database() -> None:
    revisions = {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()}
    assert {saved.stem for saved in SAVED} == revisions


def test_a_newer_database_is_left_alone(path: Path) -> None:
    Store.open(path).close()
    later = sqlite3.connect(path)
    later.execute("UPDATE alembic_version SET version_num = '9999'")
    later.commit()
    later.close()
    with pytest.raises(UsageError, match=r"written by a newer nodeflow \(its version is 9999\) → update nodeflow"):
        Store.open(path)


def test_a_copy_is_kept_before_anything_is_migrated(path: Path) -> None:
    opened = open_database(path)
    with opened.closing:
        migrate(path, opened.writer, HEAD)
        assert shape(path.with_name(f"server.db.{HEAD}")) == shape(path)


def test_opening_what_is_up_to_date_does_not_load_alembic(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nodeflow.storage.database.store import Store\n"
        f"for _ in range(2): Store.open(Path({str(path)!r})).close()\n"
        "assert 'alembic' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
