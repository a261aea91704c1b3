"""How the texts of a task are shown: a layout parts a text into what a page sets apart.

Nothing here makes markup. The parts are plain texts, and the templates under `templates/annotation/texts/` escape
them. No layout leaves a word out; a text that does not have the form its layout wants is refused when the campaign
is created, and shown plain if it comes to a page all the same.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from annotation.tables import LayoutError, Table, parse_table

PromptLayout = Literal["plain", "article", "dialogue", "table"]
CompletionLayout = Literal["plain", "article", "dialogue"]

MOST_CHARACTERS = 200_000
MOST_PARTS = 2_000  # paragraphs or turns
# An article that comes without paragraphs is divided at ends of sentences: each part has about so many words.
LONG_PARAGRAPH_WORDS, PART_WORDS = 120, 60
MOST_HEADLINE_CHARACTERS = 120
# After a word of some length, so that "Mr. Smith" and "U.S. Army" stay together.
SENTENCE_END = re.compile(r"(?:(?<=[a-z]{3})|(?<=\d{3})|(?<=[가-힣]))[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9가-힣])")
END_OF_TURN = re.compile(r"<EOU>|__eou__", re.IGNORECASE)
SPEAKER = re.compile(r"([^\W\d_][\w .'’-]{0,29}):(?:\s|$)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Plain:
    """A text as it is, line breaks included."""

    partial: ClassVar[str] = "annotation/texts/plain.html"

    text: str

    def texts(self) -> Iterator[str]:
        """All there is to read, in order."""
        yield self.text


@dataclass(frozen=True, slots=True)
class Article:
    """A long text in paragraphs; `headline` is empty if it begins with none."""

    partial: ClassVar[str] = "annotation/texts/article.html"

    headline: str
    paragraphs: tuple[str, ...]

    def texts(self) -> Iterator[str]:
        """All there is to read, in order."""
        yield from (self.headline, *self.paragraphs)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says. `speaker` is empty if the text names none; `voice`, 1 or 2, is the side it stands on."""

    speaker: str
    voice: int
    text: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation, turn by turn."""

    partial: ClassVar[str] = "annotation/texts/dialogue.html"

    turns: tuple[Turn, ...]

    def texts(self) -> Iterator[str]:
        """All there is to read, in order."""
        for turn in self.turns:
            yield from (turn.speaker, turn.text)


ShownText = Plain | Article | Dialogue | Table


# A page needs its prompt several times: to show it, beside each completion, and to say how long reading it may take.
@lru_cache(maxsize=16)
def present_prompt(layout: PromptLayout, text: str) -> ShownText:
    """`text` in its parts; whole and plain if it does not have the form that `layout` wants."""
    try:
        return _parse(layout, text)
    except LayoutError:
        return Plain(text)


def present_completion(layout: CompletionLayout, text: str, prompt: ShownText) -> ShownText:
    """As `present_prompt`; in a dialogue, the next turn of `prompt`'s."""
    try:
        if layout == "dialogue" and isinstance(prompt, Dialogue):
            return parse_dialogue(text, prompt.turns)
        return _parse(layout, text)
    except LayoutError:
        return Plain(text)


def find_problem(layout: PromptLayout, text: str) -> str | None:
    """Why `text` cannot be shown in `layout`, for whoever creates the campaign; None if it can."""
    if len(text) > MOST_CHARACTERS:
        return f"expected at most {MOST_CHARACTERS:,} characters, found {len(text):,}"
    try:
        _parse(layout, text)
    except LayoutError as error:
        return str(error)
    return None


def _parse(layout: PromptLayout, text: str) -> ShownText:
    parsers: dict[PromptLayout, Callable[[str], ShownText]] = {
        "plain": Plain,
        "article": parse_article,
        "dialogue": parse_dialogue,
        "table": parse_table,
    }
    return parsers[layout](text)


def parse_article(text: str) -> Article:
    """Paragraphs end at blank lines; in a text without any, at every line break."""
    lines = [line.strip() for line in text.strip().splitlines()]
    blocks = _join_lines(lines) if "" in lines else lines
    headline = ""
    if len(blocks) > 1 and _is_headline(blocks[0]):
        headline, *blocks = blocks
    paragraphs = tuple(part for block in blocks for part in _divide(block))
    if len(paragraphs) > MOST_PARTS:
        raise LayoutError(f"expected at most {MOST_PARTS:,} paragraphs, found {len(paragraphs):,}")
    return Article(headline, paragraphs)


def _join_lines(lines: Sequence[str]) -> list[str]:
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]


def _is_headline(block: str) -> bool:
    return len(block) <= MOST_HEADLINE_CHARACTERS and "\n" not in block and not block.endswith((".", ",", ":", ";"))


def _divide(paragraph: str) -> Iterator[str]:
    """The paragraph, in parts if it is very long. A part ends where a sentence does."""
    words_left = len(paragraph.split())
    if words_left <= LONG_PARAGRAPH_WORDS:
        yield paragraph
        return
    start = words = end_before = 0
    for end in (match.end() for match in SENTENCE_END.finditer(paragraph)):
        sentence = len(paragraph[end_before:end].split())
        words, words_left, end_before = words + sentence, words_left - sentence, end
        if words >= PART_WORDS <= words_left:
            yield paragraph[start:end].rstrip()
            start, words = end, 0
    yield paragraph[start:]


def parse_dialogue(text: str, before: Sequence[Turn] = ()) -> Dialogue:
    """Turns end at `<EOU>` or `__eou__`; in a text without them, at every line break.

    Speakers are named if every turn begins as "Name: " does. Turns that follow `before` take up its speakers.
    """
    pieces = _split_turns(text)
    if len(pieces) > MOST_PARTS:
        raise LayoutError(f"expected at most {MOST_PARTS:,} turns, found {len(pieces):,}")
    named = [SPEAKER.fullmatch(piece) for piece in pieces]
    known = list(dict.fromkeys(turn.speaker for turn in before if turn.speaker))
    is_named = all(named) and not before
    turns = list(before)
    for piece, match in zip(pieces, named, strict=True):
        if match and (is_named or match[1].strip() in known):
            speaker, said = match[1].strip(), match[2].strip()
        else:
            speaker, said = _next_speaker(turns) if known else "", piece
        turns.append(Turn(speaker, _voice_of(speaker, turns), said))
    return Dialogue(tuple(turns[len(before) :]))


def _split_turns(text: str) -> list[str]:
    if END_OF_TURN.search(text):
        pieces = [piece.strip() for piece in END_OF_TURN.split(text)]
        return pieces if pieces[-1] else pieces[:-1]
    return [line.strip() for line in text.splitlines() if line.strip()] or [""]


def _next_speaker(turns: Sequence[Turn]) -> str:
    """Whoever spoke last before the last speaker; empty where no other is known."""
    return next((turn.speaker for turn in reversed(turns) if turn.speaker != turns[-1].speaker), "")


def _voice_of(speaker: str, turns: Sequence[Turn]) -> int:
    """The side that the speaker has had, or else the one across from the last turn."""
    if speaker:
        for turn in turns:
            if turn.speaker == speaker:
                return turn.voice
    return 3 - turns[-1].voice if turns else 1
