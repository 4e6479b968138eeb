"""The user's settings of packs, held against what the packs declare."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nodeflow.core.errors import UsageError
from nodeflow.core.packs import Setting, SettingValue
from nodeflow.core.suggest import nearest, shorten

_TYPES: Final[Mapping[type, tuple[str, tuple[type, ...]]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("a text", (str,)),
}


@dataclass(frozen=True, slots=True)
class Given:
    """What a settings file says about packs.

    Attributes:
        place: Where it stands, for messages.
        sections: Its tables by name of the pack.
    """

    place: str
    sections: Mapping[str, Mapping[str, object]]

    def values(self, pack: str, declared: Sequence[Setting]) -> Mapping[str, SettingValue]:
        """The settings of a pack, defaults where nothing is said.

        Raises:
            UsageError: A setting does not exist, or has a value of the wrong type.
        """
        known = {setting.name: setting for setting in declared}
        values = {name: setting.default for name, setting in known.items()}
        for name, value in self.sections.get(pack, {}).items():
            where = f"packs.{pack}.{name}"
            if name not in known:
                meant = nearest(name, known)
                listed = ", ".join(f"packs.{pack}.{other}" for other in known)
                way_out = f"did you mean packs.{pack}.{meant}?" if meant else f"known: {listed or 'none'}"
                raise UsageError(f"{self.place}: there is no setting {where}; {way_out}")
            values[name] = self._value(where, value, known[name])
        return values

    def strangers(self, packs: Mapping[str, object]) -> tuple[str, ...]:
        """One line for every section of a pack that is not there."""
        lines: list[str] = []
        for name in self.sections:
            if name not in packs:
                meant = nearest(name, packs)
                way_out = f"; did you mean packs.{meant}?" if meant else ""
                lines.append(f"{self.place}: [packs.{name}] is for a pack that is not installed{way_out}")
        return tuple(lines)

    def _value(self, where: str, value: object, setting: Setting) -> SettingValue:
        wanted, accepted = _TYPES[type(setting.default)]
        fits = isinstance(value, accepted) and isinstance(value, bool) is isinstance(setting.default, bool)
        if not fits or (isinstance(value, float) and not math.isfinite(value)):
            raise UsageError(f"{self.place}: {where} must be {wanted}, found {shorten(value)}")
        assert isinstance(value, str | int | float)
        return float(value) if isinstance(setting.default, float) else value
