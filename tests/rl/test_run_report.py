"""The page of one run: what it says, what it leaves out, and which folders it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from analysis.report import Details, Figure, Note, Paragraph, Section, SideBySide, Table
from rl.config import EvaluationConfig, NlpoConfig, OptimiserConfig, TrainingConfig
from rl.management.run_curves import evaluation_metrics, evaluation_points, support_mass
from rl.management.run_figures import Line, Panel, draw_panels
from rl.management.run_records import read_policy_run
from rl.management.run_report import (
    build_report,
    collect_warnings,
    describe_distance,
    describe_validation,
    describe_warnings,
    headline_metric,
    key_numbers,
    show_samples,
    write_run_report,
)
from rl.management.run_words import algorithm_name, label_of, short_number
from rl.train import train
from tests.rl.runs import a_row, a_sample, an_evaluation, write_run
from tests.rl.tiny import build_task, save_tiny

COLLAPSE = "entropy has been under a tenth of its first value (1.20 nats) for 5 iterations: the policy has collapsed."


def sections_of(folder: Path) -> dict[str, Section]:
    return {section.title: section for section in build_report(read_policy_run(folder)).sections}


def figures_of(folder: Path) -> list[str]:
    parts = [part for section in sections_of(folder).values() for part in section.parts]
    return [part.description for part in parts if isinstance(part, Figure)]


def parts_of(section: Section, kind: type) -> list[Any]:
    """Parts of that kind, with those that open on a click."""
    opened = [inner for part in section.parts if isinstance(part, Details) for inner in part.parts]
    return [part for part in (*section.parts, *opened) if isinstance(part, kind)]


@pytest.mark.parametrize("algorithm", ["nlpo", "ppo"])
def test_a_real_run_is_reported_whole(algorithm: Any, tmp_path: Path) -> None:
    config = TrainingConfig(
        base_model=str(save_tiny("t5", tmp_path / "model")),
        algorithm=algorithm,
        iterations=4,
        prompts=8,
        horizon=5,
        value_warmup=1,
        nlpo=NlpoConfig(refresh_every=2),
        optimiser=OptimiserConfig(learning_rate=1e-3, value_learning_rate=1e-3, minibatch=4, epochs=1),
        evaluation=EvaluationConfig(every=2, items=4, samples=2),
    )
    train(config, build_task(), tmp_path / "run", show_progress=False)
    write_run_report(tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"<h1>{algorithm.upper()} on commongen-mini</h1>" in page
    assert "4 iterations of 8 prompts, rewarded by METEOR" in page
    assert "http" not in page.replace("http://www.w3.org", ""), "the page needs nothing from elsewhere"
    assert not list((tmp_path / "run").glob("*.partial"))
    figures = figures_of(tmp_path / "run")
    assert ("Support mass by iteration" in figures) == (algorithm == "nlpo")
    assert "Explained variance and value loss by iteration" in figures
    assert len(figures) == (11 if algorithm == "nlpo" else 10)


def test_every_figure_says_what_to_look_for(tmp_path: Path) -> None:
    write_run(tmp_path / "run", samples=[a_sample(0)])
    parts = [part for section in sections_of(tmp_path / "run").values() for part in section.parts]
    captions = [part.caption for part in parts if isinstance(part, Figure)]
    assert len(captions) == 11
    settled = "Look for it to settle"  # β's
    assert all("Look for " in caption or settled in caption for caption in captions)


def test_headlines_are_first_and_last_and_the_best_evaluation(tmp_path: Path) -> None:
    evaluations = [an_evaluation(0, 0.4), an_evaluation(3, 0.7), an_evaluation(6, 0.6)]
    write_run(tmp_path / "run", evaluations=evaluations)
    run = read_policy_run(tmp_path / "run")
    numbers = {number.label: (number.value, number.detail) for number in key_numbers(run)}
    assert numbers["reward, last iteration"] == ("0.560", "first iteration 0.510")
    assert numbers["validation METEOR, sampled"] == ("0.600", "before 0.400, best 0.700 at iteration 3")
    assert numbers["exact KL, nats a token"][0] == "0.0180"
    assert numbers["exact KL, nats a response"][0] == "0.180"
    assert numbers["response tokens a second"][0] == "900"
    (table,) = parts_of(describe_validation(run), Table)
    assert table.rows[0] == ("METEOR", "sampled", "0.400", "0.600", "+0.200", "0.700", "3")


def test_an_evaluated_reward_is_the_headline(tmp_path: Path) -> None:
    evaluations = [{"iteration": 0, "sampled": {"meteor": 0.4, "reward": 1.5}, "greedy": {"meteor": 0.5}}]
    run = read_policy_run(write_run(tmp_path / "run", evaluations=evaluations))
    assert headline_metric(run) == "reward"
    assert evaluation_metrics(run) == ["reward", "meteor"]
    assert evaluation_points(run, "sampled", "reward") == [(0, 1.5)]
    assert evaluation_points(run, "greedy", "reward") == []


@pytest.fixture(scope="module")
def all_figures(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return set(figures_of(write_run(tmp_path_factory.mktemp("whole") / "run")))


@pytest.mark.parametrize(
    ("missing", "figure"),
    [
        (("value_loss", "explained_variance"), "Explained variance and value loss by iteration"),
        (("support_mass",), "Support mass by iteration"),
        (("clip_fraction", "mean_ratio"), "Clip fraction and mean ratio by iteration"),
        (("kl_exact_per_sequence",), "Mean reward against KL"),
        (("entropy",), "Entropy by iteration"),
        (("collect_s", "reward_s", "update_s"), "Seconds by stage and tokens a second, by iteration"),
        (("kl_coefficient",), "The KL penalty's weight by iteration"),
    ],
)
def test_what_was_not_measured_leaves_its_figure_out(
    missing: tuple[str, ...], figure: str, all_figures: set[str], tmp_path: Path
) -> None:
    rows = [a_row(iteration, **dict.fromkeys(missing)) for iteration in range(1, 4)]
    assert all_figures - set(figures_of(write_run(tmp_path / "run", metrics=rows))) == {figure}


def test_a_fixed_penalty_is_a_sentence_and_not_a_flat_curve(tmp_path: Path) -> None:
    rows = [a_row(iteration, kl_coefficient=0.1) for iteration in range(1, 4)]
    folder = write_run(tmp_path / "run", metrics=rows)
    curve, sentence = describe_distance(read_policy_run(folder))
    assert isinstance(curve, Figure)
    assert curve.description == "Distance from the reference by iteration"
    assert sentence == Paragraph("The penalty's weight β stayed at 0.100.")


def test_warnings_stand_once_with_their_cause_and_iterations(tmp_path: Path) -> None:
    rows = [a_row(1), a_row(2, warnings=[COLLAPSE]), a_row(3, warnings=[COLLAPSE.replace("1.20", "1.21")])]
    run = read_policy_run(write_run(tmp_path / "run", metrics=rows))
    assert list(collect_warnings(run).values()) == [[2, 3]]
    (note,) = parts_of(describe_warnings(run), Note)
    assert note.title.startswith("Entropy has been under a tenth of its first value (1.21 nats)")
    assert note.text == "The policy has collapsed. (Iteration 2 to 3.)"
    assert not parts_of(describe_warnings(read_policy_run(write_run(tmp_path / "calm"))), Note)


def test_completions_stand_before_halfway_and_last(tmp_path: Path) -> None:
    samples = [a_sample(at, f"text {at} {item}", item) for at in (0, 2, 4, 6) for item in ("item-1", "item-2")]
    run = read_policy_run(write_run(tmp_path / "run", samples=samples))
    sampled_1, sampled_2, greedy_1, _ = parts_of(show_samples(run), SideBySide)
    assert sampled_1.heading == "prompt of item-1"
    assert [(text.label, text.text) for text in sampled_2.texts] == [
        ("before training", "text 0 item-2"),
        ("after iteration 4", "text 4 item-2"),
        ("after iteration 6", "text 6 item-2"),
    ]
    assert {text.text for text in greedy_1.texts} == {"(empty)"}


def test_texts_are_escaped(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", samples=[a_sample(0, "<script>alert(1)</script>")])
    write_run_report(folder)
    assert "<script" not in (folder / "report.html").read_text()


def test_a_run_that_still_goes_on_is_reported_so_far(tmp_path: Path) -> None:
    """Its last line may be cut off, and one iteration is enough."""
    folder = write_run(tmp_path / "run.partial", metrics=[a_row(1)], finished=False)
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"iteration": 2, "rew')
    report = build_report(read_policy_run(folder))
    assert report.lead.startswith("1 of 6 iterations so far of 8 prompts")
    assert "· run ·" in report.kicker
    write_run_report(folder)
    assert (folder / "report.html").is_file()


def test_the_command_writes_the_page_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run")
    call_command("report_run", str(folder))
    assert capsys.readouterr().out == f"report: {folder / 'report.html'}\n"


def no_run(folder: Path) -> None:
    folder.mkdir()


def a_supervised_run(folder: Path) -> None:
    write_run(folder, metrics=[{"step": 1, "loss": 0.5}])


def an_unstarted_run(folder: Path) -> None:
    write_run(folder, metrics=[])


def a_broken_run(folder: Path) -> None:
    write_run(folder)
    (folder / "metrics.jsonl").write_text('{"iteration": 1, "reward": 1}\n{"iteration"\n{"iteration": 3}\n')


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (no_run, r"is no run of train_policy: expected a folder with config.yaml and metrics.jsonl"),
        (a_supervised_run, r"is no run of train_policy: expected rewards by iteration"),
        (an_unstarted_run, r"no iteration has finished yet"),
        (a_broken_run, r"metrics.jsonl, line 2 is not valid JSON"),
    ],
)
def test_a_folder_that_is_no_run_is_one_sentence(make: Any, sentence: str, tmp_path: Path) -> None:
    make(tmp_path / "folder")
    with pytest.raises(CommandError, match=sentence) as refused:
        call_command("report_run", str(tmp_path / "folder"))
    assert refused.value.returncode == 2
    assert not (tmp_path / "folder" / "report.html").exists()


def test_the_mask_s_refreshes_are_marked_where_they_take_effect(tmp_path: Path) -> None:
    """Refreshed after iterations 2, 4 and 6: the last one is used by none."""
    curve = support_mass(read_policy_run(write_run(tmp_path / "run")))
    assert curve is not None
    (axes,) = curve.figure.axes
    marks = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert marks == [2.5, 4.5]


def test_a_small_wobble_does_not_fill_a_panel() -> None:
    panel = Panel("share", (Line("", (1, 2), (0.001, 0.002)),), includes=(0, 0.1), is_share=True)
    (axes,) = draw_panels([panel]).axes
    low, high = axes.get_ylim()
    assert -0.01 < low <= 0
    assert high > 0.1


def test_numbers_keep_three_digits() -> None:
    values = (0.5, 12.0, 99.99, 1234.5, -0.01234, float("nan"))
    assert [short_number(value) for value in values] == ["0.500", "12.0", "100", "1,234", "−0.0123", "—"]


def test_a_label_says_when_nlpo_ran_as_released(tmp_path: Path) -> None:
    run = read_policy_run(write_run(tmp_path / "run"))
    assert (label_of(run), algorithm_name(run)) == ("nlpo", "NLPO")
    released = replace(run, config={**run.config, "nlpo": {"mode": "as-released"}})
    assert (label_of(released), algorithm_name(released)) == ("nlpo as-released", "NLPO as-released")
    assert label_of(replace(released, config={**released.config, "algorithm": "ppo"})) == "ppo"
