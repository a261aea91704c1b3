"""How do workers go about it? One value again and again, too fast, one side; and are they right where that is known?

Monotony and speed are compared with the *others* on the same units, so that an easy or short one is no reproach.
Whether a number is a reason to look closer, `worker_flags` says.
"""

import numpy as np
import pandas as pd
from scipy import stats

from analysis.others import counts_of_others, sum_by_worker
from analysis.rating_counts import Integers, encode_ratings
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN
from analysis.tables import codes, numbers, quoted, require_columns, require_no_gaps
from analysis.worker_measures import WorkerMeasure, WorkerValue, share_values
from annotation.errors import InputError

FAST = 1 / 3  # of the others' time on the same HIT
MONOTONE = 0.8  # share of one value
GOLD_MARK = 0.7


def measure_monotony(
    table: pd.DataFrame, *, unit: str, worker: str, value: str, confidence: float = CONFIDENCE
) -> WorkerMeasure:
    """Share of the value that a worker gives most often (straight-lining); Wilson's interval.

    p_value: exact binomial, one-sided, that no value comes more often than in four answers of five, or than the others
    give it on the same units, times the number of values, as the worker may pick any.
    """
    ratings = encode_ratings(table, unit=unit, rater=worker, value=value, level="nominal")
    width, workers = max(1, len(ratings.values)), len(ratings.raters)
    given = np.bincount(ratings.rater * width + ratings.value, minlength=workers * width).reshape(workers, width)
    trials = given.sum(axis=1).astype(np.float64)
    by_others = counts_of_others(ratings)
    on_same_units = np.stack([sum_by_worker(ratings, by_others[:, code]) for code in range(width)], axis=1)
    usual = on_same_units / np.maximum(on_same_units.sum(axis=1, keepdims=True), 1)
    favourite = given.argmax(axis=1)
    rows = np.arange(workers)
    most, usual_share = given[rows, favourite].astype(np.float64), usual[rows, favourite]
    p_values = np.minimum(1, width * stats.binom.sf(most - 1, trials, np.maximum(MONOTONE, usual_share)))
    details = [{"others": float(share)} for share in usual_share]
    values = share_values(ratings.raters, most, trials, p_values, reason="", details=details, confidence=confidence)
    return WorkerMeasure(
        name="monotony",
        label="Share of the most frequent value",
        values=values,
        counted="answers",
        used=len(ratings.value),
        dropped=len(table) - len(ratings.value),
        method="share of a worker's most frequent value; Wilson",
        rule="gives one value in more than four answers of five, and more often than the others do",
        confidence=confidence,
        reason="" if len(ratings.value) else "no unit has answers of two workers",
    )


def measure_speed(table: pd.DataFrame, *, hit: str, worker: str, seconds: str) -> WorkerMeasure:
    """Median seconds of a worker's HITs. Rows of one worker and HIT are one assignment; 0 seconds are not measured.

    details: `ratio`, the median of their time over the geometric mean of the others' on the same HIT. p_value: exact
    sign test, one-sided, that this median is at least a third.
    """
    require_columns(table, hit, worker, seconds)
    require_no_gaps(table, hit, worker)
    timed = table.assign(**{seconds: numbers(table, seconds)})
    timed = timed[timed[seconds] > 0].drop_duplicates([worker, hit])
    worker_codes, workers = codes(timed[worker])
    time = timed[seconds].to_numpy(dtype=np.float64)
    log_ratio = _compare_with_others(codes(timed[hit])[0], np.log(time))
    values = []
    for code, name in enumerate(workers):
        is_own = worker_codes == code
        ratios = log_ratio[is_own & np.isfinite(log_ratio)]
        fast = int((ratios < np.log(FAST)).sum())
        values.append(
            WorkerValue(
                worker=name,
                estimate=float(np.median(time[is_own])),
                count=int(is_own.sum()),
                p_value=float(stats.binom.sf(fast - 1, len(ratios), 0.5)) if len(ratios) else NAN,
                details={"ratio": float(np.exp(np.median(ratios))) if len(ratios) else NAN, "fast": fast},
            )
        )
    return WorkerMeasure(
        name="speed",
        label="Median seconds a HIT",
        values=tuple(values),
        counted="assignments",
        used=len(timed),
        dropped=int(table.drop_duplicates([worker, hit]).shape[0] - len(timed)),
        method="median active seconds of a HIT; sign test against a third of the others' time on the same HIT",
        rule="takes less than a third of the others' time on most HITs",
        reason="" if len(timed) else "no time was measured",
    )


def _compare_with_others(hit_codes: Integers, log_time: Floats) -> Floats:
    """Log of an assignment's time less the mean log of the others' on the same HIT, (N,); NaN without others."""
    sums, met = np.bincount(hit_codes, log_time), np.bincount(hit_codes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return log_time - (sums[hit_codes] - log_time) / np.where(met > 1, met - 1, np.nan)[hit_codes]


def measure_left_share(
    table: pd.DataFrame, *, worker: str, left: str, choice: str, confidence: float = CONFIDENCE
) -> WorkerMeasure:
    """Share of decided votes for the left side; `left` and `choice` say "a" or "b", other choices are ties.

    p_value: exact binomial, two-sided, against one half: sides are shown at random.
    """
    require_columns(table, worker, left, choice)
    require_no_gaps(table, worker, left)
    wrong = table.index[~table[left].isin(["a", "b"])]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {left!r} is {quoted(table[left].loc[wrong[0]])}; expected 'a' or 'b'.")
    worker_codes, workers = codes(table[worker])
    is_decided = table[choice].isin(["a", "b"]).to_numpy()
    is_left = is_decided & (table[choice] == table[left]).to_numpy()
    trials, lefts = (
        np.bincount(worker_codes, which, len(workers)).astype(np.float64) for which in (is_decided, is_left)
    )
    tail = np.minimum(stats.binom.cdf(lefts, trials, 0.5), stats.binom.sf(lefts - 1, trials, 0.5))
    reason = "every vote is a tie"
    return WorkerMeasure(
        name="left_share",
        label="Share of the left side",
        values=share_values(workers, lefts, trials, np.minimum(1, 2 * tail), reason=reason, confidence=confidence),
        counted="votes",
        used=int(is_decided.sum()),
        dropped=int((~is_decided).sum()),
        method="share of decided votes for the left side; Wilson, exact binomial",
        rule="favours a side",
        confidence=confidence,
    )


def measure_gold(
    table: pd.DataFrame,
    *,
    worker: str,
    value: str,
    expected: str,
    mark: float = GOLD_MARK,
    confidence: float = CONFIDENCE,
) -> WorkerMeasure:
    """Share of right answers where `expected` says which one is right; Wilson's interval.

    Rows without an expected answer are dropped. p_value: exact binomial, one-sided, that the share is `mark` or more.
    """
    require_columns(table, worker, value, expected)
    require_no_gaps(table, worker)
    known = table[table[expected].notna() & table[value].notna()]
    worker_codes, workers = codes(known[worker])
    trials = np.bincount(worker_codes, minlength=len(workers)).astype(np.float64)
    is_right = (known[value] == known[expected]).to_numpy()
    right = np.bincount(worker_codes, is_right, len(workers)).astype(np.float64)
    return WorkerMeasure(
        name="gold",
        label="Share of gold answered right",
        values=share_values(
            workers, right, trials, stats.binom.cdf(right, trials, mark), reason="", confidence=confidence
        ),
        counted="gold answers",
        used=len(known),
        dropped=len(table) - len(known),
        method="share of gold answers that are the expected ones; Wilson",
        rule=f"answers less than {mark:.0%} of the gold right",
        confidence=confidence,
        reason="" if len(known) else "no answer has an expected one",
    )
