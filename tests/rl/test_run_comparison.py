"""Runs side by side: means and paired differences over seeds, curves, and what cannot be compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from analysis.report import Details, Figure, Note, Table
from annotation.errors import InputError
from rl.management.run_comparison import build_page, compare_runs, group_runs, mean_lines, split_argument
from tests.rl.runs import an_evaluation, write_run

METEORS = {"nlpo": {0: 0.5, 1: 0.6, 2: 0.7}, "ppo": {0: 0.52, 1: 0.6, 2: 0.74, 3: 0.9}}
MASKED = ("sampled", "sampled_masked", "greedy")


def write_runs(folder: Path) -> list[str]:
    """NLPO on seeds 0 to 2 and PPO on 0 to 3, which has no mask to evaluate with."""
    paths = []
    for algorithm, seeds in METEORS.items():
        decodings = MASKED if algorithm == "nlpo" else ("sampled", "greedy")
        for seed, meteor in seeds.items():
            evaluations = [an_evaluation(0, 0.4, decodings), an_evaluation(6, meteor, decodings)]
            config = {"algorithm": algorithm, "seed": seed}
            paths.append(str(write_run(folder / f"{algorithm}-{seed}", config=config, evaluations=evaluations)))
    return paths


def test_means_and_paired_differences_have_students_intervals(tmp_path: Path) -> None:
    compare_runs(write_runs(tmp_path), tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    nlpo = results["measures"]["sampled/meteor"]["nlpo"]
    # sd .1, n 3, t(.975, 2) = 4.303: half a width of 4.303 · .1 / √3
    assert nlpo["mean"] == pytest.approx(0.6)
    assert nlpo["high"] - nlpo["mean"] == pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-4)
    assert nlpo["by_seed"] == {"0": 0.5, "1": 0.6, "2": 0.7}
    # .02, 0, .04 over the three common seeds: mean .02, sd .02
    difference = results["paired_differences"]["ppo less nlpo"]["sampled/meteor"]
    assert difference["runs"] == 3
    assert difference["mean"] == pytest.approx(0.02)
    assert difference["mean"] - difference["low"] == pytest.approx(4.303 * 0.02 / 3**0.5, abs=1e-4)
    assert results["settings_that_differ"] == {"algorithm": {"nlpo": ["nlpo"], "ppo": ["ppo"]}}


def test_a_measure_that_one_label_lacks_is_a_dash_and_no_difference(tmp_path: Path) -> None:
    compare_runs(write_runs(tmp_path), tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    masked = results["measures"]["sampled_masked/meteor"]
    assert masked["nlpo"]["runs"] == 3
    assert masked["ppo"] == {"by_seed": {}, "runs": 0, "reason": "no run has a value"}
    page = {section.title: section for section in build_page(group_runs(write_runs(tmp_path / "again"))).sections}
    ends = next(part for part in page["Where they ended"].parts if isinstance(part, Table))
    assert ("METEOR", "sampled with the mask", "0.600 [0.352, 0.848]", "—") in ends.rows
    differences = next(part for part in page["Paired differences"].parts if isinstance(part, Table))
    assert differences.columns == ("measure", "of", "ppo (3 common seeds)")
    assert ("METEOR", "sampled", "+0.020 [−0.030, 0.070]") in differences.rows
    assert not any("mask" in row[1] for row in differences.rows)


def test_the_run_folder_is_whole(tmp_path: Path) -> None:
    summary = compare_runs(write_runs(tmp_path), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *("config.yaml", "environment.json", "inputs.json", "results.json", "summary.json", "report.html"),
    }
    assert summary["nlpo"]["seeds"] == [0, 1, 2]
    assert summary["ppo"]["meteor greedy"]["mean"] == pytest.approx(0.69)
    assert len(json.loads((tmp_path / "out" / "inputs.json").read_text())) == 7 * 3
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h1>Training runs compared</h1>" in page
    assert "NaN" not in (tmp_path / "out" / "results.json").read_text()


def test_single_runs_have_a_value_and_no_interval(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name) for name in ("first", "second"))
    compare_runs([f"A={first}", f"B={second}"], tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["measures"]["greedy/meteor"]["A"] == {
        **{"by_seed": {"0": 0.5}, "mean": 0.5, "runs": 1},
        "reason": "one run has no spread, so there is no interval",
    }
    assert results["settings_that_differ"] == {}


def test_one_label_has_no_differences(tmp_path: Path) -> None:
    page = build_page(group_runs([str(write_run(tmp_path / "run"))]))
    assert "Paired differences" not in [section.title for section in page.sections]


def test_a_thick_line_is_the_mean_of_the_thin_ones() -> None:
    lines = list(mean_lines({"a": [[(0, 1.0), (2, 3.0), (4, 5.0)], [(0, 3.0), (2, 5.0)]], "b": [], "c": [[(0, 7.0)]]}))
    assert [(line.label, line.is_faint, list(line.x), list(line.y)) for line in lines] == [
        ("a", True, [0, 2, 4], [1.0, 3.0, 5.0]),
        ("a", True, [0, 2], [3.0, 5.0]),
        ("a", False, [0, 2], [2.0, 4.0]),
        ("c", False, [0], [7.0]),
    ]


def test_curves_are_drawn_for_every_decoding(tmp_path: Path) -> None:
    sections = {section.title: section for section in build_page(group_runs(write_runs(tmp_path))).sections}
    parts = sections["Along the runs"].parts
    assert [type(part) for part in parts] == [Figure, Figure, Details, Details]
    assert [part.summary for part in parts if isinstance(part, Details)] == [
        "Validation, sampled with the mask",
        "Validation, greedy",
    ]


def test_seeds_that_differ_in_more_than_the_seed_are_noted(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), config={"seed": seed, "clip": clip}) for seed, clip in ((0, 0.2), (1, 0.3))]
    page = build_page(group_runs([str(run) for run in runs]))
    (note,) = [part for part in page.sections[-1].parts if isinstance(part, Note)]
    assert "more than their seed: clip" in note.text


def test_labels_come_from_the_algorithm_or_from_the_argument(tmp_path: Path) -> None:
    released = write_run(tmp_path / "released", config={"nlpo": {"mode": "as-released"}})
    plain, other = write_run(tmp_path / "plain"), write_run(tmp_path / "a=b")
    assert list(group_runs([str(plain), str(released), f"mine={plain.parent / 'a=b'}"])) == [
        *("nlpo", "nlpo as-released", "mine"),
    ]
    assert split_argument(str(other)) == (None, other)
    with pytest.raises(InputError, match="expected RUN or LABEL=RUN"):
        split_argument("=run")


def missing(folder: Path) -> list[str]:
    return [str(folder / "nowhere")]


def unfinished(folder: Path) -> list[str]:
    return [str(write_run(folder / "run.partial", finished=False))]


def never_evaluated(folder: Path) -> list[str]:
    return [str(write_run(folder / "run", evaluations=[]))]


def given_twice(folder: Path) -> list[str]:
    run = write_run(folder / "run")
    return [str(run), f"again={run}/../run"]


def same_seed(folder: Path) -> list[str]:
    return [str(write_run(folder / name)) for name in ("first", "second")]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (missing, r"nowhere is no run of train_policy"),
        (unfinished, r"run.partial has not finished; expected the folder of a finished run"),
        (never_evaluated, r"expected evaluations in evaluations.jsonl, found none"),
        (given_twice, r"is given twice; expected different runs"),
        (same_seed, r"second: seed 0 of 'nlpo' is given already, by .*first; expected another seed"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence_and_leaves_nothing(make: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=sentence) as refused:
        call_command("compare_runs", *make(tmp_path), "--output", str(tmp_path / "out"))
    assert refused.value.returncode == 2
    assert not list(tmp_path.glob("out*"))


def test_the_command_prints_its_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    call_command("compare_runs", str(run), "--output", str(tmp_path / "out"), "--json")
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["nlpo"]["seeds"] == [0]
    assert result["report"] == str(tmp_path / "out" / "report.html")
