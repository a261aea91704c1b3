"""How long a worker may sit still over a page and still be taken to read."""

import re
from collections.abc import Sequence

from annotation.presentation import present_completion, present_prompt
from annotation.task_templates import TaskTemplate

# Most adults read English silently at 175 to 300 words a minute (Brysbaert 2019, doi 10.1016/j.jml.2019.104047), and
# 17 languages are read aloud at 370 ± 80 syllables a minute (Trauzettel-Klosinski & Dietz 2012, doi
# 10.1167/iovs.11-8284). Whoever judges a text reads slowly, and some of it twice: 12 letters a second are about 120
# English words a minute. A character of Hangul, kana or Han is about a syllable: 3 a second are 180 a minute.
LETTERS_PER_SECOND = 12
SYLLABLES_PER_SECOND = 3
SYLLABLE = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
# For the questions and a decision. And an end, as nobody reads longer without scrolling, which counts as activity.
THINKING_SECONDS = 20
MOST_SECONDS = 1800


def idle_limit_seconds(template: TaskTemplate, prompt: str, completions: Sequence[str]) -> int:
    """Seconds without a touch that still count as work on the page that shows these texts."""
    shown = present_prompt(template.prompt_layout, prompt)
    parts = [shown, *(present_completion(template.completion_layout, text, shown) for text in completions)]
    seconds = sum(seconds_to_read(text) for part in parts for text in part.texts())
    return min(THINKING_SECONDS + int(seconds), MOST_SECONDS)


def seconds_to_read(text: str) -> float:
    """Seconds that a slow reader takes for `text`; spaces count as letters."""
    syllables = len(SYLLABLE.findall(text))
    return syllables / SYLLABLES_PER_SECOND + (len(text) - syllables) / LETTERS_PER_SECOND
