"""Active time: silent reading counts, up to a limit that grows with what there is to read."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from annotation.reading_time import MOST_SECONDS, THINKING_SECONDS, idle_limit_seconds, seconds_to_read
from annotation.task_templates import load_template

WORK = Path(__file__).parent.parent.parent / "annotation/static/annotation/work.js"
NODE = shutil.which("node")


def test_a_character_of_hangul_or_han_takes_as_long_as_a_syllable() -> None:
    assert seconds_to_read("a" * 120) == pytest.approx(10)
    assert seconds_to_read("가" * 120) == pytest.approx(40)
    assert seconds_to_read("字かナ" * 40) == pytest.approx(40)
    assert seconds_to_read("한국어 text") == pytest.approx(3 / 3 + 5 / 12)


def test_the_limit_grows_with_every_text_and_has_an_end() -> None:
    template = load_template("generic-likert")
    assert idle_limit_seconds(template, "", [""]) == THINKING_SECONDS
    assert idle_limit_seconds(template, "x" * 600, ["x" * 1200]) == THINKING_SECONDS + 50 + 100
    assert idle_limit_seconds(template, "x" * 600, ["x" * 1200, "x" * 1200]) == THINKING_SECONDS + 50 + 200
    assert idle_limit_seconds(template, "x" * 600_000, [""]) == MOST_SECONDS


def test_of_a_table_what_is_shown_counts_and_not_how_it_came() -> None:
    table = {"table": [[{"value": "x" * 60}, {"value": "y" * 60}]], "sentence_annotations": ["z" * 6000]}
    assert idle_limit_seconds(load_template("totto-likert"), json.dumps(table), [""]) == THINKING_SECONDS + 10


# A page of stubs: enough for work.js to load, a clock that the test sets, and what it registered to hear.
PAGE = """
const heard = {};
const hear = (name, action) => (heard[name] ??= []).push(action);
const fire = (name) => (heard[name] || []).forEach((action) => action({ target: { closest: () => null }, key: "" }));
let now = 0;
const button = {};
const form = {
  elements: { active_seconds: { value: "" } },
  querySelector: (selector) => (selector.startsWith("button") ? button : null),
  querySelectorAll: () => [], addEventListener: hear,
};
const main = { dataset: { idleSeconds: "60" } };
const document = {
  visibilityState: "visible", activeElement: null, addEventListener: hear,
  getElementById: (id) => (id === "main" ? main : form),
};
const window = { addEventListener: hear, setInterval: (action) => hear("second", action) };
const performance = { now: () => now };
const wait = (seconds) => { for (let i = 0; i < seconds; i++) { now += 1000; fire("second"); } };
const sent = () => { fire("submit"); return Number(form.elements.active_seconds.value); };
"""


def run_page(story: str) -> float:
    """The active seconds that the page of `PAGE` sends after `story`."""
    if NODE is None:
        pytest.skip("node is not installed: what work.js measures is not tested here")
    program = f"{PAGE}\n{{ {WORK.read_text()} }}\n{story}\nconsole.log(sent());"
    finished = subprocess.run([NODE, "-e", program], capture_output=True, text=True, timeout=30)
    assert finished.returncode == 0, finished.stderr
    return float(finished.stdout)


@pytest.mark.parametrize(
    ("story", "seconds"),
    [
        ("wait(45);", 45),
        ("wait(60);", 60),
        ("wait(600);", 60),
        ("wait(600); fire('scroll'); wait(10);", 70),
        ("wait(50); fire('pointermove'); wait(50); fire('keydown'); wait(5);", 105),
        ("wait(20); document.visibilityState = 'hidden'; fire('visibilitychange'); wait(30);", 20),
        (
            "wait(20); document.visibilityState = 'hidden'; fire('visibilitychange'); wait(30);"
            "document.visibilityState = 'visible'; fire('visibilitychange'); wait(70);",
            80,
        ),
        ("now += 300000;", 60),  # asleep: no second ticked
    ],
)
def test_silent_reading_counts_up_to_the_limit_and_not_beyond(story: str, seconds: float) -> None:
    assert run_page(story) == pytest.approx(seconds, abs=0.01)
