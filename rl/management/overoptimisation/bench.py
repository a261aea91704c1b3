"""The over-optimisation bench: stages that are done once, then the outcome as files and a page."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from analysis.drawing import save_figure
from analysis.report import write_report
from annotation.run_folders import describe_environment, write_json
from rl.management.demo import training
from rl.management.demo.workshop import THREADS, Result, Workplace, expect_new, open_workshop
from rl.management.overoptimisation.annotators import hold_vote
from rl.management.overoptimisation.best_of import measure_best_of_n
from rl.management.overoptimisation.figure import plot_overoptimisation
from rl.management.overoptimisation.nlpo import trace_policies, tune_policies
from rl.management.overoptimisation.outcome import gather_outcome, tabulate
from rl.management.overoptimisation.page import build_page
from rl.management.overoptimisation.rewards import train_members
from rl.management.overoptimisation.study import Overoptimisation

Stage = tuple[str, str, Callable[[Workplace[Overoptimisation]], Result]]
STAGES: tuple[Stage, ...] = (
    ("task", "a. The task: a world, its concept sets, and a corpus that has learned to err", training.build_task),
    ("supervised", "b. Supervised policy: a small T5 from scratch imitates the corpus", training.train_supervised),
    ("votes", "c. Simulated annotators vote on pairs of its completions", hold_vote),
    ("reward-models", "d. Reward models: other seeds on the same votes", train_members),
    ("best-of-n", "e. Best-of-n against each of them and against ensembles", measure_best_of_n),
    ("nlpo", "f. NLPO against them, with KL penalty and without", tune_policies),
    ("traces", "g. Gold, proxy and KL along each run", trace_policies),
)
FIGURE = "overoptimisation"
KIND = "bench"


def run_bench(folder: Path, study: Overoptimisation, say: Callable[[str], None], *, resume: bool) -> Result:
    """Run all stages that are not done yet; writes `results.json`, `tables/`, the figure and `report.html`.

    InputError if there is something in `folder` and no `resume`.
    """
    expect_new(folder, resume=resume)
    torch.set_num_threads(THREADS)
    shop, started = open_workshop(folder, study, say, KIND), time.monotonic()
    for name, title, work in STAGES:
        shop.run_stage(name, title, work)
    outcome = write_outcome(shop)
    seconds = {name: shop.result(name)["seconds"] for name, _, _ in STAGES}
    environment = describe_environment(seed=study.seed, device="cpu")
    write_json(folder / "environment.json", environment | {"seconds_by_stage": seconds})
    return summarise(folder, outcome, sum(seconds.values()), time.monotonic() - started)


def write_outcome(shop: Workplace[Overoptimisation]) -> Result:
    """Everything that a finished bench shows, `report.html` last."""
    outcome = gather_outcome(shop)
    write_json(shop.folder / "results.json", outcome)
    (shop.folder / "tables").mkdir(exist_ok=True)
    for name, table in tabulate(outcome).items():
        table.to_csv(shop.folder / "tables" / f"{name}.csv", index=False)
    figure = plot_overoptimisation(outcome["best_of_n"], outcome["nlpo"])
    save_figure(figure, shop.folder, FIGURE)
    partial = shop.folder / "report.html.partial"
    write_report(build_page(shop.experiment, outcome, figure), partial)
    partial.rename(shop.folder / "report.html")
    return outcome


def summarise(folder: Path, outcome: Result, seconds: float, now: float) -> Result:
    """The numbers that the command prints last."""
    gains = {
        " ".join(filter(None, (row["method"], row["penalty"], row["reward"]))): [
            row["estimate"],
            row["low"],
            row["high"],
        ]
        for row in outcome["gains_over_the_single_model"]
    }
    return {
        "gold_over_the_single_model": gains,
        "seconds": {"all_stages": round(seconds, 1), "this_time": round(now, 1)},
        "report": folder / "report.html",
        "results": folder / "results.json",
    }
