"""How much does a scorer gain from more to learn from? Several runs a size, all measured on the same test rows.

What is found depends on the test items and on the runs (which part of the data was drawn, which seed). Draws take
both: items with all their rows, and, where a size has several runs, runs (the pigeonhole bootstrap, A. B. Owen 2007,
Annals of Applied Statistics 1(2)). All sizes see the same draws, so differences between sizes are paired. Of one run
the interval tells of the items alone; of a few it understates how much runs differ.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.pair_scores import SCORES
from analysis.resampling import DRAWS, Floats, blocks, cluster_counts, percentiles
from analysis.results import Estimate
from analysis.tables import cluster_codes, numbers, require_columns, require_no_gaps

RUN_STREAM = 1  # of random numbers, beside the one that draws items


def resample_runs(
    table: pd.DataFrame,
    *,
    score: str,
    label: str,
    logits: Sequence[str],
    cluster: str,
    seed: int,
    draws: int = DRAWS,
) -> Floats:
    """Values (R, 1 + D) of a score of `analysis.pair_scores.SCORES` for R runs, a column of logits each: on all rows,
    then on each draw of clusters. The same seed draws the same clusters for whatever runs. Draws of one cluster would
    all be the same and are NaN, so that no interval comes of them.
    """
    require_columns(table, label, cluster, *logits)
    require_no_gaps(table, label, cluster, *logits)
    labels, (rows_of, clusters) = numbers(table, label), cluster_codes(table, cluster)
    runs = [numbers(table, name) for name in logits]
    generator = np.random.default_rng(seed)
    values = [_score_runs(score, np.ones((1, len(table))), labels, runs)]
    if clusters == 1:
        return np.concatenate([*values, np.full((len(runs), draws), np.nan)], axis=1)
    for block in blocks(draws, len(table)):
        weights = cluster_counts(clusters, block, generator)[:, rows_of].astype(np.float64)
        values.append(_score_runs(score, weights, labels, runs))
    return np.concatenate(values, axis=1)


def _score_runs(score: str, weights: Floats, labels: Floats, runs: Sequence[Floats]) -> Floats:
    return np.stack([SCORES[score](weights, labels, logits) for logits in runs])


def average_runs(values: Floats, *, seed: int, name: str) -> Estimate:
    """Mean over runs of `values` (R, 1 + D), or of their difference from another size's: run by run it is paired.

    name: of what is averaged.
    """
    runs, draws = len(values), values.shape[1] - 1
    taken = np.random.default_rng([seed, RUN_STREAM]).multinomial(runs, np.full(runs, 1 / runs), size=draws)
    interval = percentiles((taken.T * values[:, 1:]).sum(axis=0) / runs)
    return Estimate(
        float(values[:, 0].mean()),
        interval.low,
        interval.high,
        used=runs,
        method=f"mean {name} over {runs} runs; percentile bootstrap over clusters and runs",
        seed=seed,
        draws=draws,
        undefined_share=interval.undefined_share,
    )
