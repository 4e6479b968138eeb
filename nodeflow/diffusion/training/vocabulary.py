"""What the drawn pictures can show: things, colours, sizes and places, with the words for them."""

import hashlib
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Thing:
    """An object a picture can show.

    Attributes:
        name: unique; the first word for it.
        emoji: the character it is drawn from.
        synonyms: further nouns.
        article: in front of the nouns; None means a or an by their first letter.
    """

    name: str
    emoji: str
    synonyms: tuple[str, ...] = ()
    article: str | None = None

    @property
    def nouns(self) -> tuple[str, ...]:
        """All words for it, the name first."""
        return (self.name, *self.synonyms)


THINGS = (
    Thing("cat", "🐱", ("kitten", "kitty")),
    Thing("dog", "🐶", ("puppy",)),
    Thing("fox", "🦊"),
    Thing("panda", "🐼"),
    Thing("lion", "🦁"),
    Thing("rabbit", "🐰", ("bunny",)),
    Thing("frog", "🐸"),
    Thing("pig", "🐷", ("piglet",)),
    Thing("penguin", "🐧"),
    Thing("owl", "🦉"),
    Thing("unicorn", "🦄"),
    Thing("monkey", "🐵"),
    Thing("whale", "🐳"),
    Thing("octopus", "🐙"),
    Thing("fish", "🐠", ("tropical fish",)),
    Thing("crab", "🦀"),
    Thing("turtle", "🐢", ("tortoise",)),
    Thing("butterfly", "🦋"),
    Thing("bee", "🐝", ("honeybee",)),
    Thing("ladybug", "🐞", ("ladybird",)),
    Thing("elephant", "🐘"),
    Thing("chick", "🐤", ("duckling",)),
    Thing("dinosaur", "🦖", ("dino",)),
    Thing("sunflower", "🌻"),
    Thing("tulip", "🌷"),
    Thing("cactus", "🌵"),
    Thing("mushroom", "🍄", ("toadstool",)),
    Thing("palm tree", "🌴", ("palm",)),
    Thing("christmas tree", "🎄", ("fir tree",)),
    Thing("rainbow", "🌈"),
    Thing("moon", "🌙", ("crescent moon",)),
    Thing("star", "⭐", ("yellow star",)),
    Thing("sun", "🌞", ("smiling sun",)),
    Thing("fire", "🔥", ("flame",)),
    Thing("snowman", "⛄"),
    Thing("earth", "🌍", ("globe", "planet"), "the"),
    Thing("strawberry", "🍓"),
    Thing("apple", "🍎", ("red apple",)),
    Thing("banana", "🍌"),
    Thing("watermelon", "🍉", ("melon",)),
    Thing("pineapple", "🍍"),
    Thing("cherries", "🍒", ("red cherries",), ""),
    Thing("avocado", "🥑"),
    Thing("carrot", "🥕"),
    Thing("pizza", "🍕", ("slice of pizza", "pizza slice")),
    Thing("burger", "🍔", ("hamburger", "cheeseburger")),
    Thing("donut", "🍩", ("doughnut",)),
    Thing("cupcake", "🧁", ("muffin",)),
    Thing("rocket", "🚀", ("spaceship",)),
    Thing("car", "🚗", ("red car", "automobile")),
    Thing("airplane", "✈", ("plane", "aeroplane")),
    Thing("sailboat", "⛵", ("boat", "sailing boat")),
    Thing("balloon", "🎈", ("red balloon",)),
    Thing("gift", "🎁", ("present", "gift box")),
    Thing("heart", "❤", ("red heart",)),
    Thing("crown", "👑", ("golden crown",)),
    Thing("umbrella", "☂"),
    Thing("guitar", "🎸", ("electric guitar",)),
    Thing("robot", "🤖"),
    Thing("ghost", "👻"),
    Thing("pumpkin", "🎃", ("jack o lantern",)),
    Thing("house", "🏠", ("home", "cottage")),
    Thing("football", "⚽", ("soccer ball", "ball")),
    Thing("smiley", "😀", ("smiley face", "smiling face")),
)


@dataclass(frozen=True, slots=True)
class Colour:
    """A background colour: its words and its sRGB value in 0..255."""

    name: str
    rgb: tuple[int, int, int]
    synonyms: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All words for it, the name first."""
        return (self.name, *self.synonyms)


COLOURS = (
    Colour("red", (214, 40, 40)),
    Colour("orange", (250, 150, 50)),
    Colour("yellow", (252, 222, 80)),
    Colour("green", (56, 158, 76)),
    Colour("blue", (48, 100, 214)),
    Colour("purple", (122, 62, 172), ("violet",)),
    Colour("pink", (248, 168, 200)),
    Colour("brown", (122, 80, 48)),
    Colour("black", (18, 18, 22)),
    Colour("white", (248, 248, 248)),
    Colour("gray", (140, 140, 144), ("grey",)),
    Colour("cyan", (100, 214, 232), ("turquoise", "light blue")),
)


class Size(Enum):
    """How large a single thing is said to be."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Place(Enum):
    """Where a single thing is said to be."""

    MIDDLE = "middle"
    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"


class Split(Enum):
    """Which part of the combinations a picture may come from."""

    TRAIN = "train"
    DEVELOPMENT = "development"
    TEST = "test"


SIZE_WORDS = {
    Size.SMALL: ("small", "tiny", "little"),
    Size.MEDIUM: ("medium", "medium sized"),
    Size.LARGE: ("large", "big", "huge"),
}

PLACE_WORDS = {
    Place.MIDDLE: ("in the middle", "in the center", "in the centre"),
    Place.LEFT: ("on the left", "on the left side", "at the left"),
    Place.RIGHT: ("on the right", "on the right side", "at the right"),
    Place.TOP: ("at the top", "at the top edge", "up at the top"),
    Place.BOTTOM: ("at the bottom", "at the bottom edge", "down at the bottom"),
}

PLAIN_PHRASES = (
    "a plain {} background",
    "an empty {} background",
    "a {} background",
    "nothing but {}",
    "just {}",
    "an empty {} picture",
    "a solid {} background",
    "plain {}",
)

_SPLIT_OF_HUNDRED = ((9, Split.TEST), (13, Split.DEVELOPMENT), (100, Split.TRAIN))


def _split(*words: str) -> Split:
    digest = hashlib.sha256("|".join(words).encode()).digest()
    drawn = int.from_bytes(digest[:8], "big") % 100
    return next(split for limit, split in _SPLIT_OF_HUNDRED if drawn < limit)


def split_of_colour(thing: int, colour: int) -> Split:
    """The split of a thing on a background: 9 % of the pairs are for the test, 4 % for development."""
    return _split("colour", THINGS[thing].name, COLOURS[colour].name)


def split_of_pair(one: int, other: int) -> Split:
    """The split of two things in one picture, whatever their order."""
    return _split("pair", *sorted((THINGS[one].name, THINGS[other].name)))


def split_of_plain(phrase: int, colour: int) -> Split:
    """The split of a way to ask for an empty background."""
    return _split("plain", PLAIN_PHRASES[phrase], COLOURS[colour].name)
