"""What workers send about a set of completions: a place for each, or the best and the worst of all.

A page numbers its cards from 1 in the order in which it shows them; which letter of the set a card is, only the
assignment knows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.assignments import Answer
from annotation.rankings import rank_best_worst, rank_by_places

PLACES = (_("1st"), _("2nd"), _("3rd"), _("4th"), _("5th"), _("6th"))
CARD_NAMES = "ABCDEF"


@dataclass(frozen=True, slots=True)
class Card:
    """One completion on the page: `name` is what the page calls it, `text` its markup, `chosen` the place that it was
    given.
    """

    number: str
    name: str
    text: str
    field: str = ""
    chosen: str = ""
    error: str = ""


class RankingForm(forms.Form):
    """One radio group a card, one radio a place, 1 for the best."""

    def __init__(self, question: str, shown: str, allow_tie: bool, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.question, self.allow_tie = question, allow_tie
        self.letters = {f"{question}-{number}": letter for number, letter in enumerate(shown, start=1)}
        self.places = list(enumerate(PLACES[: len(shown)], start=1))
        for name in self.letters:
            self.fields[name] = forms.TypedChoiceField(
                choices=self.places, coerce=int, error_messages={"required": _("Please choose its place.")}
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data
        given = Counter(cleaned.values())
        for name, place in list(cleaned.items()):
            if given[place] > 1 and not self.allow_tie:
                self.add_error(name, _("Another text has this place too. Each place can be given once."))
        return cleaned

    def answers(self) -> list[Answer]:
        places = {letter: self.cleaned_data[name] for name, letter in self.letters.items()}
        return [Answer(self.question, ranking=rank_by_places(places))]

    def cards(self, texts: Sequence[str], errors: Mapping[str, str]) -> list[Card]:
        cards = number_cards(texts)
        return [
            Card(card.number, card.name, card.text, name, self.data.get(name, ""), errors.get(name, ""))
            for card, name in zip(cards, self.letters, strict=True)
        ]


class BestWorstForm(forms.Form):
    """Two radio groups over all cards, one for the best and one for the worst."""

    def __init__(self, question: str, shown: str, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.question, self.shown = question, shown
        self.best, self.worst = f"{question}-best", f"{question}-worst"
        numbers = [(number, str(number)) for number in range(1, len(shown) + 1)]
        required = {self.best: _("Please choose the best one."), self.worst: _("Please choose the worst one.")}
        for name, message in required.items():
            self.fields[name] = forms.TypedChoiceField(
                choices=numbers, coerce=int, error_messages={"required": message}
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data
        if len(cleaned) == 2 and cleaned[self.best] == cleaned[self.worst]:
            self.add_error(self.worst, _("The same text cannot be both the best and the worst."))
        return cleaned

    def answers(self) -> list[Answer]:
        best, worst = (self.shown[self.cleaned_data[name] - 1] for name in (self.best, self.worst))
        return [Answer(self.question, ranking=rank_best_worst(best, worst, self.shown))]

    def cards(self, texts: Sequence[str], errors: Mapping[str, str]) -> list[Card]:
        return number_cards(texts)

    def chosen(self) -> dict[str, str]:
        """The numbers that were sent, for a page that shows them again."""
        return {"best": self.data.get(self.best, ""), "worst": self.data.get(self.worst, "")}


def number_cards(texts: Sequence[str]) -> list[Card]:
    return [Card(str(place + 1), CARD_NAMES[place], text) for place, text in enumerate(texts)]
