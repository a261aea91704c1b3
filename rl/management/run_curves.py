"""The curves of one run, each with the sentence that says what to look for. None where the run has not measured it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from rl.management.run_figures import Line, Panel, draw_panels, draw_path, draw_seconds
from rl.management.run_records import PolicyRun, is_number
from rl.management.run_words import DECODINGS, decoding_name, metric_name


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure; `title` says what it is to those who cannot see it, `caption` how to read it."""

    figure: Figure
    title: str
    caption: str


def _line(run: PolicyRun, measure: str, label: str = "", style: int = 0) -> Line:
    return Line(label or measure, run.iterations, run.column(measure), style)


def reward(run: PolicyRun) -> Curve | None:
    if not run.has("reward"):
        return None
    spread = run.column("reward_sd") if run.has("reward_sd") else ()
    line = Line("mean of the iteration's responses", run.iterations, run.column("reward"), band=spread)
    return Curve(
        draw_panels([Panel("mean reward", (line,))]),
        "Mean reward by iteration",
        "Mean reward of the responses that were sampled for training; the band reaches one standard deviation of "
        "single responses to either side. Look for a rise that slows down: a flat line means that nothing is learned, "
        "a fall that stays that the policy has broken, and a sudden jump that it has found a loophole.",
    )


def reward_against_kl(run: PolicyRun) -> Curve | None:
    """The price of reward in distance; no gold judge is needed for it."""
    columns = zip(run.column("kl_exact_per_sequence"), run.column("reward"), strict=True)
    points = [(distance, gain) for distance, gain in columns if is_number(distance) and is_number(gain)]
    if len(points) < 2:
        return None
    distances, gains = zip(*points, strict=True)
    return Curve(
        draw_path(distances, gains, xlabel="exact KL to the reference, nats a response", title="mean reward"),
        "Mean reward against KL",
        "What the reward cost: a dot an iteration, and a line through the means of up to eight stretches of the run. "
        "Look for a line that climbs steeply and then bends; one that runs far to the right without climbing pays "
        "distance for nothing, and one that climbs while validation falls is gaming the reward.",
    )


def evaluation_decodings(run: PolicyRun) -> list[str]:
    """The ways of decoding that were evaluated, in the order that reports keep."""
    found = dict.fromkeys(name for row in run.evaluations for name, entry in row.items() if isinstance(entry, Mapping))
    return [*(name for name in DECODINGS if name in found), *(name for name in found if name not in DECODINGS)]


def evaluation_metrics(run: PolicyRun) -> list[str]:
    """The metrics that were evaluated, the reward first."""
    names = dict.fromkeys(
        metric for row in run.evaluations for decoding in evaluation_decodings(run) for metric in row.get(decoding, ())
    )
    return sorted(names, key=lambda name: name != "reward")


def evaluation_points(run: PolicyRun, decoding: str, metric: str) -> list[tuple[int, float]]:
    """(iteration, value) of each evaluation that has one."""
    cells = [(int(row["iteration"]), row.get(decoding, {}).get(metric)) for row in run.evaluations]
    return [(iteration, float(value)) for iteration, value in cells if is_number(value)]


def _decoding_style(decoding: str) -> int:
    """The same for a way of decoding on every page, whether or not there is a mask."""
    return list(DECODINGS).index(decoding) if decoding in DECODINGS else len(DECODINGS)


def validation(run: PolicyRun) -> Curve | None:
    panels = []
    for metric in evaluation_metrics(run):
        lines = []
        for decoding in evaluation_decodings(run):
            points = evaluation_points(run, decoding, metric)
            if points:
                iterations, values = zip(*points, strict=True)
                lines.append(Line(decoding_name(decoding), iterations, values, _decoding_style(decoding)))
        if lines:
            panels.append(Panel(metric_name(metric), tuple(lines)))
    if not panels:
        return None
    return Curve(
        draw_panels(panels),
        "Validation metrics by iteration",
        "On validation prompts, before training (iteration 0) and at every evaluation. Look for the metrics to follow "
        "the reward: a reward that rises while these stand still or fall is being gamed, and a falling distinct-1 or "
        "distinct-2 (different words and word pairs over all) means that the texts grow alike.",
    )


def divergence(run: PolicyRun) -> Curve | None:
    names = {
        "kl_exact": "exact KL",
        "kl_exact_masked": "exact KL under the mask",
        "kl_sampled": "mean log-ratio",
    }
    # Without a mask both exact curves are one.
    shown = [
        name
        for name in names
        if run.has(name) and (name != "kl_exact_masked" or run.column(name) != run.column("kl_exact"))
    ]
    if not shown:
        return None
    target = run.setting("kl.target")
    guide = None if target is None else (float(target), f"target {target:g}")
    lines = tuple(_line(run, name, names[name], style) for style, name in enumerate(names) if name in shown)
    aim = " The target is the log-ratio's; β is adapted to meet it." if guide else ""
    return Curve(
        draw_panels([Panel("nats a response token", lines, guide)]),
        "Distance from the reference by iteration",
        "How far the policy has moved from the reference. Look for a slow climb that levels off: a steep climb means "
        "that the policy runs away (raise β or lower the learning rate), and a log-ratio that stays below 0 that the "
        "penalty, which is made of it, pays the policy for moving." + aim,
    )


def coefficient(run: PolicyRun) -> Curve | None:
    if not run.has("kl_coefficient"):
        return None
    return Curve(
        draw_panels([Panel("β, the weight of the KL penalty", (_line(run, "kl_coefficient"),))]),
        "The KL penalty's weight by iteration",
        "β rises by up to 2% an iteration while the log-ratio is above its target, and falls while it is below. Look "
        "for it to settle; a line that runs one way to the end means that the target is not reached.",
    )


def entropy(run: PolicyRun) -> Curve | None:
    if not run.has("entropy"):
        return None
    lines = [_line(run, "entropy", "whole vocabulary")]
    if run.has("entropy_masked") and run.column("entropy_masked") != run.column("entropy"):
        lines.append(_line(run, "entropy_masked", "under the mask", 1))
    return Curve(
        draw_panels([Panel("entropy, nats a token", tuple(lines), includes=(0,))]),
        "Entropy by iteration",
        "How undecided the policy is at each token; 0 would be one possible text. Look for a gentle fall: a plunge "
        "towards 0 means that it has collapsed to few answers, a steady rise that the updates only add noise.",
    )


def length(run: PolicyRun) -> Curve | None:
    panels = []
    if run.has("length_tokens"):
        panels.append(Panel("response length, tokens", (_line(run, "length_tokens"),)))
    if run.has("ended_share"):
        panels.append(
            Panel("responses that ended by themselves", (_line(run, "ended_share"),), includes=(0.9,), is_share=True)
        )
    if not panels:
        return None
    return Curve(
        draw_panels(panels),
        "Response length and share of ended responses by iteration",
        f"Responses are cut after {run.setting('horizon')} tokens unless they end with the end-of-text token before. "
        "Look for lengths that suit the task, and nearly all responses ended: growing length with fewer ended means "
        "rambling, and lengths that shrink towards 1 that saying nothing pays.",
    )


def ratios(run: PolicyRun) -> Curve | None:
    panels = []
    if run.has("clip_fraction"):
        panels.append(
            Panel("share of tokens clipped", (_line(run, "clip_fraction"),), includes=(0, 0.1), is_share=True)
        )
    if run.has("mean_ratio"):
        panels.append(
            Panel("mean ratio, new to old probability", (_line(run, "mean_ratio"),), (1.0, ""), includes=(0.98, 1.02))
        )
    if not panels:
        return None
    limit = f" by more than {run.setting('clip'):g}" if is_number(run.setting("clip")) else " too far"
    return Curve(
        draw_panels(panels),
        "Clip fraction and mean ratio by iteration",
        f"A token is clipped when the ratio of its new to its old probability is off 1{limit}, within one update. Look "
        "for up to about 20% clipped and a mean ratio near 1: 0% means that the steps hardly move the policy, and "
        "much more, or a ratio that drifts off, that they are too large. Iterations that train the value model alone "
        "have no point.",
    )


def values(run: PolicyRun) -> Curve | None:
    """None for algorithms without a value model."""
    panels = []
    if run.has("explained_variance") and run.has("value_loss"):
        panels.append(
            Panel("explained variance of the returns", (_line(run, "explained_variance"),), (0.0, ""), includes=(1,))
        )
    if run.has("value_loss"):
        panels.append(Panel("value loss", (_line(run, "value_loss"),), includes=(0,)))
    if not panels:
        return None
    return Curve(
        draw_panels(panels),
        "Explained variance and value loss by iteration",
        "The value model guesses how much reward is still to come. Look for explained variance to rise towards 1 and "
        "the loss to fall: at or below 0 it guesses no better than one constant, so that every update is noisier than "
        "it need be (try more value_warmup, or another value_learning_rate).",
    )


def support_mass(run: PolicyRun) -> Curve | None:
    """None where the mask is the whole vocabulary."""
    if not run.has("support_mass") or all(value == 1 for value in run.column("support_mass")):
        return None
    # The row says that the masking policy was refreshed after it, so the next iteration is the first to draw from it.
    refreshes = tuple(row["iteration"] + 0.5 for row in run.metrics[:-1] if row.get("refreshed"))
    top_mass = run.setting("nlpo.top_mass")
    guide = (float(top_mass), f"p = {top_mass:g}") if is_number(top_mass) else None
    panel = Panel(
        "mass on the tokens that the mask keeps", (_line(run, "support_mass"),), guide, refreshes, is_share=True
    )
    return Curve(
        draw_panels([panel]),
        "Support mass by iteration",
        "How much of the policy's probability lies on the tokens that the mask keeps; dotted lines mark where the "
        "masking policy was refreshed. Look for a curve at or above p: one that sinks between refreshes means that "
        "the policy wants tokens that the mask forbids (refresh oftener, or raise p).",
    )


def seconds(run: PolicyRun, stages: Mapping[str, str]) -> Curve:
    """stages: column of the metrics to the stage's name."""
    columns: dict[str, Sequence[float]] = {name: run.column(column) for column, name in stages.items()}
    return Curve(
        draw_seconds(run.iterations, columns, run.column("tokens_per_s")),
        "Seconds by stage and tokens a second, by iteration",
        "Collect is sampling, reward is scoring the responses, update is measuring and learning. Look for even bars: a "
        "stage that grows means longer responses or a machine that is shared, and a large reward share a slow reward.",
    )
