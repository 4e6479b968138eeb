"""Notices that somebody has saved a file of a pack."""

from collections.abc import AsyncIterator

from nodeflow.session.workplace import Workplace


async def changes_of_packs(workplace: Workplace) -> AsyncIterator[frozenset[str]]:
    """Yields the files that were saved, those of a moment together; a folder that comes later is not looked at."""
    import watchfiles

    folders = {workplace.home.root / "packs", *workplace.registry.roots.values()}
    there = [folder for folder in folders if folder.is_dir()]
    if not there:
        return
    wanted = watchfiles.PythonFilter(extra_extensions=(".toml", ".json"))
    async for changes in watchfiles.awatch(*there, watch_filter=wanted, debounce=200):
        yield frozenset(path for _, path in changes)
