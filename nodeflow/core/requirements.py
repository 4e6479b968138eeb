"""What packs require of each other: which requirements hold, and why a pack cannot be used when one does not."""

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from nodeflow.core.packs import Manifest

_FORM = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A pack that must be there.

    Attributes:
        versions: What its version must fulfil, such as ``>=1.2,<2``; empty when any will do.
    """

    name: str
    versions: str = ""

    def met_by(self, version: str) -> bool:
        """Whether a version is among those asked for; a text that is no version never is."""
        if not self.versions:
            return True
        from packaging.specifiers import SpecifierSet
        from packaging.version import InvalidVersion, Version

        try:
            return SpecifierSet(self.versions).contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False


def read_requirement(text: str) -> Requirement:
    """Read ``name`` or ``name>=1.2,<2``; raises ValueError for anything else."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(text)
    requirement = Requirement(match[1], match[2])
    if requirement.versions:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            SpecifierSet(requirement.versions)
        except InvalidSpecifier as error:
            raise ValueError(text) from error
    return requirement


def required_names(manifest: Manifest) -> Iterator[str]:
    """The packs that a pack requires, without versions; what cannot be read is told elsewhere."""
    for text in manifest.requires:
        if (match := _FORM.fullmatch(text)) is not None:
            yield match[1]


def with_required(packs: Mapping[str, Manifest], name: str) -> tuple[str, ...]:
    """A pack and all that it requires or simply imports, directly or not, in a fixed order; only what is there."""
    by_package = {pack.package.partition(".")[0]: known for known, pack in packs.items()}
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found and current in packs:
            found[current] = None
            waiting += required_names(packs[current])
            waiting += (by_package.get(top, "") for top in packs[current].imports)
    return tuple(sorted(found))


def unusable(packs: Mapping[str, Manifest]) -> Mapping[str, str]:
    """The packs that cannot be used because of what they require, each with the reason."""
    reasons: dict[str, str] = {}
    for name, reason in (*_circles(packs), *_unmet(packs)):
        reasons.setdefault(name, reason)
    fallen = {name: pack.problems[0] for name, pack in packs.items() if pack.problems and not pack.version}
    waiting = [name for name in packs if name not in reasons]
    while True:
        lost = reasons.keys() | fallen.keys()
        leaning = {name: below for name in waiting if (below := _leans_on(packs[name], lost))}
        if not leaning:
            return reasons
        for name, below in leaning.items():
            reasons[name] = f"it requires {below}, which cannot be used: {reasons.get(below) or fallen[below]}"
        waiting = [name for name in waiting if name not in leaning]


def _leans_on(pack: Manifest, lost: Collection[str]) -> str:
    return next((name for name in required_names(pack) if name in lost), "")


def _circles(packs: Mapping[str, Manifest]) -> Iterator[tuple[str, str]]:
    for name in packs:
        way = _way_back(packs, name)
        if way:
            shown = " → ".join([name, *way])
            yield name, f"packs require each other in a circle: {shown}; one of them must do without the next"


def _way_back(packs: Mapping[str, Manifest], name: str) -> list[str]:
    """The shortest way from a pack over what it requires back to itself; empty when there is none."""
    ways: dict[str, list[str]] = {name: []}
    waiting = deque([name])
    while waiting:
        current = waiting.popleft()
        for below in required_names(packs[current]):
            if below == name:
                return [*ways[current], name]
            if below in packs and below not in ways:
                ways[below] = [*ways[current], below]
                waiting.append(below)
    return []


def _unmet(packs: Mapping[str, Manifest]) -> Iterator[tuple[str, str]]:
    for name, pack in packs.items():
        for text in pack.requires:
            reason = _fault(text, packs)
            if reason:
                yield name, reason
                break


def _fault(text: str, packs: Mapping[str, Manifest]) -> str:
    try:
        requirement = read_requirement(text)
    except ValueError:
        return f'its requirement "{text}" cannot be read; write a pack and versions, such as "otherpack>=1.2"'
    pack = packs.get(requirement.name)
    if pack is None:
        meant = next((known for known in packs if _folded(known) == _folded(requirement.name)), None)
        way_out = f'did you mean "{meant}"?' if meant else f"install {requirement.name}"
        return f"it requires {text}, which is not installed; {way_out}"
    if pack.version and not requirement.met_by(pack.version):
        return f"it requires {text}, but {pack.name} {pack.version} is installed; install another version of either"
    return ""


def _folded(name: str) -> str:
    """A name as the distribution may have it: packages cannot have a ``-``, and distributions often do."""
    return re.sub(r"[-_.]+", "-", name).lower()
