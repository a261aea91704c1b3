"""The chapter on workers, of ratings and of votes: the same numbers as the functions, and awkward exports."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.dawid_skene import dawid_skene
from analysis.drawing import figure_svg
from analysis.findings import Chapter, Finding
from analysis.mace import mace
from analysis.worker_findings import describe_workers_of_ratings, describe_workers_of_votes
from analysis.worker_tables import prepare_ratings
from analysis.workers import correlate_with_others, measure_severity
from tests.analysis.exports import make_comparisons, make_ratings


def finding(chapter: Chapter, name: str) -> Finding:
    (found,) = [found for found in chapter.findings if found.name == name]
    return found


def ratings(**options: Any) -> pd.DataFrame:
    return pd.DataFrame(make_ratings(**options))


def test_the_table_of_raters_holds_every_measure() -> None:
    table = ratings(items=30)
    table.loc[table["worker"] == "worker-04", "active_seconds"] = 1.0
    chapter = describe_workers_of_ratings(table)
    workers = chapter.tables["workers_of_ratings"].set_index("worker")
    table["unit"] = table["hit"] + table["question"]
    table["about"] = table["value"] - table.groupby("question")["value"].transform("mean")
    columns = {"unit": "unit", "worker": "worker"}
    severity = measure_severity(table, **columns, value="about", cluster="item").to_frame().set_index("worker")
    agreement = correlate_with_others(table, **columns, value="about", cluster="item").to_frame().set_index("worker")
    assert workers.loc["worker-07", "severity"] == pytest.approx(severity.loc["worker-07", "estimate"])
    assert workers.loc["worker-07", "agreement"] == pytest.approx(agreement.loc["worker-07", "estimate"])
    coin = dawid_skene(table, **columns, value="value", model="one-coin", smoothing=0.1)
    accuracy = {worker.worker: worker.accuracy for worker in coin.workers}
    assert workers["accuracy"].to_dict() == pytest.approx(accuracy)
    trust = {worker.worker: worker.trust for worker in mace(table, **columns, value="value", seed=0).workers}
    assert workers["trust"].to_dict() == pytest.approx(trust)
    assert workers.index[0] == "worker-04"  # the flagged first
    assert workers.loc["worker-04", "flags"] == "speed"
    assert finding(chapter, "worker_flags").estimate == 1
    assert "hint to look and no verdict: worker-04 takes less than a third" in finding(chapter, "worker_flags").reading
    assert finding(chapter, "severity_spread").estimate == pytest.approx(severity["spread"].iloc[0])
    assert {named.name for named in chapter.figures} == {"workers_severity_agreement", "worker_confusions"}
    for named in chapter.figures:
        assert "<svg" in figure_svg(named.figure)


def test_the_table_of_voters_finds_who_favours_a_side() -> None:
    chapter = describe_workers_of_votes(pd.DataFrame(make_comparisons(items=80)))
    workers = chapter.tables["workers_of_votes"]
    assert workers["worker"][0] == "worker-00"
    assert workers["flags"][0] == "left_share"
    assert chapter.tables["worker_flags_of_votes"]["p_holm"][0] < 0.001
    assert "worker-00 favours a side" in finding(chapter, "worker_flags").reading
    assert {named.name for named in chapter.figures} == {"workers_left_share_agreement"}


def test_questions_of_two_scales_are_compared_as_shares_of_them() -> None:
    table = ratings(items=20)
    is_fluency = table["question"] == "fluency"
    wide = table.assign(
        value=np.where(is_fluency, 10 * (table["value"] - 1), table["value"]),
        scale_min=np.where(is_fluency, 0, 1),
        scale_max=np.where(is_fluency, 40, 5),
    )
    one, two = prepare_ratings(table), prepare_ratings(wide)
    assert (one.scale, two.scale) == ("points", "of the scale")
    assert two.table["value"].to_numpy() == pytest.approx(one.table["value"].to_numpy() / 4)
    chapter = describe_workers_of_ratings(wide)
    assert "accuracy" not in chapter.tables["workers_of_ratings"]
    assert finding(chapter, "severity_spread").reading.endswith("of the scale.")


def test_awkward_exports_give_a_chapter_without_a_crash() -> None:
    table = ratings(items=6)
    alone = table.drop_duplicates(["hit", "question"])
    for rows in (alone, table.assign(value=3), table[table["worker"] == "worker-01"], table.assign(active_seconds=0.0)):
        chapter = describe_workers_of_ratings(rows)
        assert all(found.reading.endswith(".") and found.used >= 0 for found in chapter.findings)
    votes = pd.DataFrame(make_comparisons(items=6))
    for rows in (votes.assign(choice="tie"), votes.drop_duplicates("pair"), votes[votes["worker"] == "worker-01"]):
        chapter = describe_workers_of_votes(rows)
        assert all(found.reading.endswith(".") for found in chapter.findings)


def test_a_slider_has_no_confusion_of_categories() -> None:
    table = ratings(items=10).assign(scale_max=100)
    table["value"] = 20 * table["value"] + np.random.default_rng(0).integers(-9, 10, len(table))
    chapter = describe_workers_of_ratings(table)
    assert [named.name for named in chapter.figures] == ["workers_severity_agreement"]
    assert "trust" not in chapter.tables["workers_of_ratings"]


def test_repeated_answers_count_once() -> None:
    table = ratings(items=10)
    again = pd.concat([table, table.iloc[:6].assign(value=1)], ignore_index=True)
    assert prepare_ratings(again).repeated == 6
    pd.testing.assert_frame_equal(prepare_ratings(again).table, prepare_ratings(table).table)
