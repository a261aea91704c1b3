"""The words of commongen-mini, and which of them go together.

Plausibility is a matter of types ("people drive vehicles, on streets"), shared by many verbs, so that a model
that has seen some verbs can tell what others allow. No type is both among a verb's agents and its objects or
instruments, so that exchanging two roles always makes nonsense. No noun begins with a vowel sound, so that the
article is always "a".
"""

from dataclasses import dataclass

NOUNS: dict[str, tuple[str, ...]] = {
    "person": (
        "man", "woman", "boy", "girl", "teacher", "farmer", "doctor", "singer", "soldier", "student",
        "sailor", "nurse", "tourist", "baker", "child", "worker",
    ),
    "animal": ("dog", "cat", "horse", "cow", "bear", "monkey", "rabbit", "goat", "wolf", "pig"),
    "food": ("bread", "soup", "cake", "carrot", "cheese", "sandwich", "pizza", "banana", "potato", "pie"),
    "vehicle": ("car", "truck", "bus", "bike", "tractor", "van", "taxi", "wagon"),
    "music": ("guitar", "piano", "violin", "drum", "flute", "trumpet"),
    "toy": ("ball", "kite", "doll", "balloon", "puzzle", "frisbee"),
    "text": ("book", "letter", "newspaper", "map", "poem", "magazine"),
    "clothing": ("shirt", "coat", "hat", "dress", "jacket", "scarf"),
    "furniture": ("chair", "table", "desk", "bench", "sofa", "shelf"),
    "plant": ("flower", "tree", "rose", "bush", "tulip", "vine"),
    "opening": ("door", "window", "gate", "box", "cupboard", "drawer"),
    "structure": ("fence", "wall", "roof", "shed", "tower", "cabin"),
    "blade": ("knife", "razor", "sword"),
    "tool": ("hammer", "wrench", "drill"),
    "cleaner": ("broom", "mop", "sponge", "towel"),
    "nature": ("park", "garden", "field", "yard", "beach", "forest", "farm", "hill"),
    "street": ("street", "road", "highway", "bridge"),
    "indoors": ("kitchen", "room", "house", "school", "library", "shop", "hotel", "barn"),
}  # fmt: skip

PLACE_TYPES = ("nature", "street", "indoors")

PREPOSITIONS: dict[str, str] = {
    "beach": "on", "farm": "on", "hill": "on", "street": "on", "road": "on", "highway": "on", "bridge": "on",
    "school": "at", "shop": "at", "hotel": "at", "library": "at",
}  # fmt: skip
DEFAULT_PREPOSITION = "in"


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb's forms and the types that it allows in each role; an empty role cannot be filled."""

    lemma: str
    present: str
    progressive: str
    agents: tuple[str, ...]
    objects: tuple[str, ...]
    places: tuple[str, ...]
    instruments: tuple[str, ...] = ()


PERSON = ("person",)
ANIMATE = ("person", "animal")
ANYWHERE = PLACE_TYPES
OUTSIDE = ("nature", "street")

VERBS: tuple[Verb, ...] = (
    Verb("drive", "drives", "driving", PERSON, ("vehicle",), ("street",)),
    Verb("push", "pushes", "pushing", ANIMATE, ("vehicle", "furniture"), ANYWHERE),
    Verb("pull", "pulls", "pulling", ANIMATE, ("vehicle", "toy"), OUTSIDE),
    Verb("repair", "repairs", "repairing", PERSON, ("vehicle", "furniture", "structure"), ANYWHERE, ("tool",)),
    Verb("construct", "constructs", "constructing", PERSON, ("structure", "furniture"), ANYWHERE, ("tool",)),
    Verb("wash", "washes", "washing", PERSON, ("vehicle", "clothing"), ("nature", "indoors"), ("cleaner",)),
    Verb("clean", "cleans", "cleaning", PERSON, ("furniture", "opening", "vehicle"), ANYWHERE, ("cleaner",)),
    Verb("eat", "eats", "eating", ANIMATE, ("food",), ("nature", "indoors")),
    Verb("cook", "cooks", "cooking", PERSON, ("food",), ("indoors",)),
    Verb("slice", "slices", "slicing", PERSON, ("food", "plant"), ("nature", "indoors"), ("blade",)),
    Verb("steal", "steals", "stealing", ANIMATE, ("food", "clothing", "toy"), ANYWHERE),
    Verb("smell", "smells", "smelling", ANIMATE, ("food", "plant"), ("nature", "indoors")),
    Verb("read", "reads", "reading", PERSON, ("text",), ANYWHERE),
    Verb("sign", "signs", "signing", PERSON, ("text",), ("nature", "indoors")),
    Verb("tear", "tears", "tearing", ANIMATE, ("text", "clothing"), ANYWHERE, ("blade",)),
    Verb("throw", "throws", "throwing", PERSON, ("toy", "food"), OUTSIDE),
    Verb("catch", "catches", "catching", ANIMATE, ("toy",), OUTSIDE),
    Verb("chase", "chases", "chasing", ANIMATE, ("vehicle", "toy"), OUTSIDE),
    Verb("tune", "tunes", "tuning", PERSON, ("music",), ANYWHERE),
    Verb("carry", "carries", "carrying", PERSON, ("music", "furniture", "toy"), ANYWHERE),
    Verb("wear", "wears", "wearing", PERSON, ("clothing",), ANYWHERE),
    Verb("sew", "sews", "sewing", PERSON, ("clothing",), ("indoors",)),
    Verb("kick", "kicks", "kicking", ANIMATE, ("toy", "opening", "structure"), ANYWHERE),
    Verb("bite", "bites", "biting", ("animal",), ("toy", "clothing", "food"), ANYWHERE),
    Verb("scratch", "scratches", "scratching", ("animal",), ("furniture", "opening", "vehicle"), ANYWHERE),
    Verb("trim", "trims", "trimming", PERSON, ("plant",), ("nature",), ("blade",)),
    Verb("climb", "climbs", "climbing", ANIMATE, ("plant", "structure"), ("nature",)),
    Verb("open", "opens", "opening", PERSON, ("opening",), ("indoors", "nature"), ("tool",)),
    Verb("break", "breaks", "breaking", ANIMATE, ("opening", "music", "toy"), ANYWHERE, ("tool",)),
    Verb("sell", "sells", "selling", PERSON, ("music", "vehicle", "text", "clothing"), ANYWHERE),
)
