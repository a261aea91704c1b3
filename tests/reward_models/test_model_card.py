"""The model card: its metadata as the Hub reads them, its numbers, its code, and text that tries to break it."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from django.core.management import call_command
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reward_models.checkpoints import load_base_model, save_model
from reward_models.management.markdown import quote_markdown, write_table
from reward_models.management.model_card_metadata import describe_metadata, write_metadata
from reward_models.management.model_card_usage import HERE, write_usage
from reward_models.scoring import load_scorer
from tests.reward_models.exports import write_export

NASTY = ("super|vised <script>alert(1)</script>", "![x](http://x/y) `sys_b` **bold**\n# heading")
MANIFEST = {
    "campaign": "first | vote <b>",
    "simulated": True,
    "questions": [{"name": "preference", "text": "Which *sentence* is better?"}],
    "agreement": {"preference": 0.71264},
    "counts": {"workers": 3},
}


def render(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the command on simulated votes on completions of systems with nasty names."""
    folder = tmp_path_factory.mktemp("card")
    export = write_export(folder / "export", 120, systems=NASTY, **MANIFEST)
    options = ["--epochs=2", "--learning-rate=2e-3", f"--base-model={base}", f"--output={folder / 'judge'}"]
    call_command("train_reward_model", export, *options, stdout=io.StringIO(), stderr=io.StringIO())
    return folder / "judge"


@pytest.fixture(scope="module")
def card(run: Path) -> str:
    return (run / "model" / "README.md").read_text()


def body_of(card: str) -> str:
    return card.split("---\n", 2)[2]


def section(card: str, title: str) -> str:
    return body_of(card).split(f"\n## {title}\n")[1].split("\n## ")[0]


# Metadata


def test_the_hub_reads_the_measures_from_the_metadata(run: Path, card: str) -> None:
    data = ModelCard(card).data
    assert data.library_name == "transformers" and {"reward-model", "simulated-votes"} <= set(data.tags)
    assert data.base_model is None and data.datasets is None  # what lies in a folder, no hub can resolve
    assert data.model_name == "judge"
    measures = json.loads((run / "evaluation" / "results.json").read_text())["scorers"]["reward model"]
    found = {result.metric_name: result for result in data.eval_results}
    assert found["pair accuracy"].metric_type == "accuracy" and found["pooled AUC"].metric_type == "roc_auc"
    assert {result.dataset_split for result in found.values()} == {"test"}
    names = {"pair accuracy": "pair_accuracy", "pooled AUC": "pooled_auc", "log loss, nats": "log_loss",
             "Brier score": "brier_score", "calibration error": "calibration_error"}  # fmt: skip
    assert {names[name]: result.metric_value for name, result in found.items()} == {
        name: pytest.approx(measures[name]["estimate"], abs=5e-5) for name in names.values()
    }


def test_hub_names_stand_in_the_metadata_and_paths_do_not(tmp_path: Path) -> None:
    measure = {"estimate": 0.5}
    keys = ("pair_accuracy", "pooled_auc", "log_loss", "brier_score")
    model = dict.fromkeys(keys, measure) | {"calibration_error": {"estimate": float("nan")}}
    results = {"split": "test", "scorers": {"reward model": model}}
    named = describe_metadata("m", "owner/base", "owner/pairs", results, is_simulated=False)
    assert named["base_model"] == "owner/base" and named["datasets"] == ["owner/pairs"]
    assert "simulated-votes" not in named["tags"]
    result = named["model-index"][0]["results"][0]
    assert result["dataset"] == {"type": "owner/pairs", "name": "owner/pairs", "split": "test"}
    assert [metric["type"] for metric in result["metrics"]] == ["accuracy", "roc_auc", "log_loss", "brier_score"]
    local = describe_metadata("m", str(tmp_path), str(tmp_path), results, is_simulated=False)
    assert not {"base_model", "datasets"} & local.keys()
    assert str(tmp_path.parent) not in write_metadata(local)
    assert yaml.safe_load(write_metadata(named).split("---\n")[1]) == named


# Numbers


def numbers_in(content: Any) -> list[float]:
    if isinstance(content, dict):
        return [number for entry in content.values() for number in numbers_in(entry)]
    return [float(content)] if isinstance(content, int | float) and not isinstance(content, bool) else []


def test_every_number_of_the_evaluation_stands_in_the_evaluation(run: Path, card: str) -> None:
    known = numbers_in(json.loads((run / "evaluation" / "results.json").read_text()))
    for table in (run / "evaluation" / "tables").glob("*.csv"):
        known += pd.read_csv(table).select_dtypes("number").to_numpy().ravel().tolist()
    printed = {f"{number:.{digits}f}" for number in known for digits in (2, 3)} | {f"{100 * n:.1f}" for n in known}
    printed |= {str(int(number)) for number in known if number == int(number)}
    text = section(card, "How good it is").replace("95% bootstrap", "").replace("−", "-")
    for name in NASTY:
        text = text.replace(quote_markdown(name), "")
    found = re.findall(r"-?\d+(?:\.\d+)?", text)
    assert len(found) > 60
    assert [number for number in found if number not in printed] == []


def test_numbers_stand_where_they_belong(run: Path, card: str) -> None:
    results = json.loads((run / "evaluation" / "results.json").read_text())
    text = section(card, "How good it is")

    def said(found: dict[str, float]) -> str:
        return "{estimate:.3f} [{low:.3f}, {high:.3f}]".format(**found).replace("-", "−")

    names = ("pair_accuracy", "pooled_auc", "log_loss", "brier_score", "calibration_error")
    model, longer = (results["scorers"][name] for name in ("reward model", "longer is better"))
    assert f"| reward model | {' | '.join(said(model[name]) for name in names)} |" in text
    assert f"| longer is better | {said(longer['pair_accuracy'])} | {said(longer['pooled_auc'])} | — |" in text
    rater, scorer, gap = (said(results["workers"][name]) for name in ("rater", "scorer", "difference"))
    assert f"majority in {rater} and the model in {scorer}" in text and f"the difference is {gap}" in text
    for row in pd.read_csv(run / "evaluation" / "tables" / "calibration.csv").itertuples():
        ends = {"estimate": row.observed, "low": row.low, "high": row.high}
        assert f"| {row.predicted:.3f} | {said(ends)} | {row.pairs} |" in text
    for row in pd.read_csv(run / "evaluation" / "tables" / "breakdown.csv").itertuples():
        ends = {"estimate": row.accuracy, "low": row.low, "high": row.high}
        assert f"{quote_markdown(row.part)} | {said(ends)} | {row.pairs} |" in text
    calibration = results["calibration"]
    loss = f"{calibration['log_loss_scaled']:.3f} nats instead of {calibration['log_loss_as_trained']:.3f}"
    assert loss in text and f"least log loss is {calibration['temperature']:.2f}" in text
    summary = json.loads((run / "summary.json").read_text())
    assert f"{summary['validation_log_loss']:.3f} nats" in section(card, "How it was trained")
    settings = json.loads((run / "model" / "preference_model.json").read_text())
    use = section(card, "How to use it").replace("−", "-")
    assert f"m = {settings['mean']:.4g}" in use and f"t = {settings['temperature']:.4g}" in use


def test_the_card_counts_what_was_learned_from(run: Path, card: str) -> None:
    data = section(card, "What it learned from")
    counts = {row.split(" | ")[0].strip("| "): row.split(" | ")[1:] for row in data.splitlines() if row[:3] != "| -"}
    summary = json.loads((run / "summary.json").read_text())
    assert int(counts["train"][0]) == summary["pairs"]
    sizes = [int(counts[name][0]) for name in ("train", "validation", "test")]
    assert sum(sizes) == 120 and int(counts["train"][1]) == 3 * sizes[0]
    assert "71.3%" in data and "3 simulated workers" in data
    settings = section(card, "How it was trained")
    assert "| `learning_rate` | 0.002 |" in settings and "| `epochs` | 2 |" in settings
    assert "all weights trained" in settings and f"layout `{summary['layout']}`" in settings


def test_the_length_leaning_is_among_the_limits(run: Path, card: str) -> None:
    lengths = json.loads((run / "evaluation" / "results.json").read_text())["lengths"]
    limits = section(card, "Limits")
    model, voters = (f"{lengths[name]['estimate']:.1%}" for name in ("model", "voters"))
    assert f"prefers the longer completion in {model} of test pairs of unequal length, voters in {voters}." in limits
    assert model != voters


def test_simulated_votes_are_marked(run: Path, card: str, base: Path, tmp_path: Path) -> None:
    assert "**Simulated votes.**" in body_of(card)
    export = write_export(tmp_path / "export")
    options = ["--epochs=1", f"--base-model={base}", f"--output={tmp_path / 'run'}"]
    call_command("train_reward_model", export, *options, stdout=io.StringIO(), stderr=io.StringIO())
    assert "imulated" not in (tmp_path / "run" / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    ("by_source", "said", "cast"),
    [
        ({"simulation": 3}, "judged by 3 simulated workers.", "cast the votes"),
        ({"external": 1, "imported": 1, "simulation": 3}, "by 3 simulated workers and 2 people.", "cast some of"),
    ],
)
def test_people_among_simulated_workers_are_not_called_simulated(
    by_source: dict[str, int], said: str, cast: str, base: Path, tmp_path: Path
) -> None:
    counts = {"workers": sum(by_source.values()), "workers_by_source": by_source}
    export = write_export(tmp_path / "export", campaign="mixed", simulated=True, counts=counts)
    options = ["--epochs=1", f"--base-model={base}", f"--output={tmp_path / 'run'}"]
    call_command("train_reward_model", export, *options, stdout=io.StringIO(), stderr=io.StringIO())
    text = (tmp_path / "run" / "model" / "README.md").read_text()
    assert said in text and f"**Simulated votes.** Simulated workers {cast}" in text


# The code in the card

MODELS = [("t5", "encoder"), ("t5", "decoder"), ("t5", "decoder-mean"), ("t5", "likelihood"), ("llama", "scalar"),
          ("llama", "likelihood"), ("gpt2", "scalar"), ("gpt2", "likelihood"), ("bert", "scalar")]  # fmt: skip


@pytest.mark.parametrize(("family", "layout"), MODELS)
def test_plain_transformers_score_as_the_card_says(
    family: str, layout: Any, base: Path, families: Path, tmp_path: Path
) -> None:
    model = load_base_model(str(base if family == "t5" else families / family), layout)
    save_model(model, tmp_path / "model")
    code = write_usage(model)
    assert code.count(HERE) == 1
    names: dict[str, Any] = {}
    exec(code.replace(HERE, str(tmp_path / "model")), names)
    prompts, completions = ["say red number 4", "say blue"], ["red pink.", "grey."]
    found = [names["score"](prompt, text) for prompt, text in zip(prompts, completions, strict=True)]
    expected = load_scorer(tmp_path / "model")(prompts, completions)
    assert abs(expected[0] - expected[1]) > 1e-4
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)  # float32 sums, padded there and not here


def test_the_code_blocks_of_a_card_give_the_same_scores(run: Path, card: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    ours, plain = ({}, {})  # type: dict[str, Any], dict[str, Any]
    for code, names in zip(blocks, (ours, plain), strict=True):
        exec(code.replace(HERE, str(run / "model")), names)
    assert ours["scores"][0] == pytest.approx(plain["score"]("a prompt", "a completion"), abs=1e-5)


# Text from outside


def test_names_of_systems_and_campaigns_cannot_break_the_card(card: str) -> None:
    html = render(body_of(card))
    assert "<script" not in html and "<b>" not in html and html.count("<img") == 1 and "<h1>heading" not in html
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        "How to use it", "What it learned from", "How it was trained", "How good it is", "What it is for", "Limits",
    ]  # fmt: skip
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        rows = [len(re.findall(r"<t[hd]", row)) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)]
        assert len(rows) > 1 and len(set(rows)) == 1
    lines = body_of(card).splitlines()
    wide = {line.count(" | ") for line in lines if line.startswith("| systems: ")}
    assert wide == {2}  # the same cells as its header, whatever the parser does with a row that is too long
    for name in NASTY:
        shown = " ".join(name.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert shown in html.replace("&quot;", '"')


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40))
def test_quoted_text_is_shown_as_it_is(text: str) -> None:
    """Within a cell and within a line, after a word."""
    shown = " ".join(text.split())
    html = render(write_table(("name", "n"), [(f"x {quote_markdown(text)}", "1")]))
    cells = re.findall(r"<td>(.*?)</td>", html, re.DOTALL)
    assert len(cells) == 2 and unescape(cells[0]) == f"x {shown}".strip()
    assert (
        unescape(render(f"x {quote_markdown(text)}").removeprefix("<p>").removesuffix("</p>\n")) == f"x {shown}".strip()
    )


def unescape(html: str) -> str:
    """The text of HTML without any tag; one that is left stays and is found."""
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        html = html.replace(entity, character if "<" not in character else "\x00")
    assert "<" not in html
    return html.replace("\x00", "<")
