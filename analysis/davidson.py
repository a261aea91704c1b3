"""The likelihood of pairwise votes with ties (Davidson 1970), for many weightings of the votes at once.

A vote is for the second system, for the first or a tie in the proportion exp(eta / 2) : exp(-eta / 2) : nu, with
eta = design @ parameters; without ties nu is 0, and this is Bradley & Terry's model (1952). The parameters are the
coefficients of the design, then log nu. Shapes: D weightings (bootstrap draws), M settings of votes, p parameters.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from analysis.resampling import Floats

MOST_STEPS = 100
MOST_HALVINGS = 60
CONVERGED = 1e-12  # what a step may still gain in log likelihood, per vote
SMALL_STEP = 1e-6  # where votes bound no maximum, steps gain little and stay long
LEAST_CONDITION = 1e-12
LARGEST_ODDS = 100.0  # in logs; beyond it the votes bound no maximum


@dataclasses.dataclass(frozen=True, slots=True)
class Tallies:
    """Votes of each setting under each weighting, (D, M): for the second less for the first, ties, and all."""

    net: Floats
    ties: Floats
    total: Floats

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Tallies":
        return Tallies(self.net[chosen], self.ties[chosen], self.total[chosen])


def tally(sums: Floats) -> Tallies:
    """Summed counts (D, 3M) of votes for the first, of ties and of votes for the second."""
    first, ties, second = np.split(sums, 3, axis=1)
    return Tallies(second - first, ties, first + ties + second)


@dataclasses.dataclass(frozen=True, slots=True)
class Predictions:
    """The model at some parameters, (D, M) each: eta, exp(eta / 2), and the sum of the three terms; nu is (D, 1)."""

    eta: Floats
    odds: Floats
    total: Floats
    tie_weight: Floats

    @property
    def mean(self) -> Floats:
        """The mean vote: 1 for the second system, -1 for the first."""
        return (self.odds - 1 / self.odds) / self.total

    @property
    def share(self) -> Floats:
        """The share of ties."""
        return self.tie_weight / self.total

    @property
    def are_bounded(self) -> NDArray[np.bool_]:
        """Whether no log odds have run away, (D,)."""
        return np.asarray(
            (np.abs(self.eta).max(axis=1, initial=0) < LARGEST_ODDS) & (self.tie_weight[:, 0] < np.exp(LARGEST_ODDS))
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Likelihood:
    """The log likelihood with its derivatives; design (M, p), or (M, p - 1) with ties."""

    design: Floats
    has_ties: bool

    @property
    def size(self) -> int:
        return self.design.shape[1] + self.has_ties

    def predict(self, parameters: Floats) -> Predictions:
        """At parameters (D, p)."""
        # The copy is cheap, and a product with a slice is several times slower.
        eta = np.ascontiguousarray(parameters[:, : self.design.shape[1]]) @ self.design.T
        with np.errstate(over="ignore", divide="ignore"):  # a step may go too far, and is then shortened
            odds = np.exp(eta / 2)
            tie_weight = np.exp(parameters[:, -1:]) if self.has_ties else np.zeros((len(parameters), 1))
            return Predictions(eta, odds, odds + 1 / odds + tie_weight, tie_weight)

    def log_likelihood(self, at: Predictions, votes: Tallies) -> Floats:
        """(D,); NaN where a step went out of what floats hold."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value = (votes.net * at.eta / 2 - votes.total * np.log(at.total)).sum(axis=1)
            return value + votes.ties.sum(axis=1) * np.log(at.tie_weight[:, 0]) if self.has_ties else value

    def gradient(self, at: Predictions, votes: Tallies) -> Floats:
        """(D, p)."""
        of_design = (votes.net - votes.total * at.mean) / 2 @ self.design
        if not self.has_ties:
            return of_design
        return np.column_stack([of_design, (votes.ties - votes.total * at.share).sum(axis=1)])

    def information(self, at: Predictions, votes: Tallies) -> Floats:
        """Fisher's information, (D, p, p)."""
        mean, share = at.mean, at.share
        weight = votes.total * (1 - share - mean**2) / 4
        matrix = (self.design.T[None, :, :] * weight[:, None, :]) @ self.design
        if not self.has_ties:
            return matrix
        cross = (votes.total * -mean * share / 2) @ self.design
        corner = (votes.total * share * (1 - share)).sum(axis=1)
        above = np.concatenate([matrix, cross[:, :, None]], axis=2)
        below = np.concatenate([cross, corner[:, None]], axis=1)[:, None, :]
        return np.concatenate([above, below], axis=1)

    def maximise(self, votes: Tallies, start: Floats) -> Floats:
        """The parameters (D, p) by Newton's method from start (p,); NaN where the votes bound no maximum."""
        found = np.full((len(votes.net), self.size), np.nan)
        active = np.arange(len(found))
        parameters = np.tile(start, (len(found), 1))
        for _ in range(MOST_STEPS):
            if not len(active):
                break
            at = self.predict(parameters)
            if not at.are_bounded.all():
                active, parameters, votes = _select(at.are_bounded, active, parameters, votes)
                continue
            gradient, information = self.gradient(at, votes), self.information(at, votes)
            step = solve(information, gradient)
            gain = (gradient * step).sum(axis=1)
            is_still = (gain < CONVERGED * votes.total.sum(axis=1)) & (np.abs(step).max(axis=1, initial=0) < SMALL_STEP)
            parameters = parameters + np.where(is_still[:, None], step, self._shorten(step, parameters, at, votes))
            is_found = np.flatnonzero(is_still)[is_determined(information[is_still])]
            found[active[is_found]] = parameters[is_found]
            active, parameters, votes = _select(~is_still, active, parameters, votes)
        return found

    def _shorten(self, step: Floats, parameters: Floats, at: Predictions, votes: Tallies) -> Floats:
        """The step (D, p), halved until the likelihood does not fall."""
        value = self.log_likelihood(at, votes)
        least = value - 1e-13 * np.abs(value)  # rounding is no fall
        step = step.copy()
        for _ in range(MOST_HALVINGS):
            falls = ~(self.log_likelihood(self.predict(parameters + step), votes) >= least)
            if not falls.any():
                break
            step[falls] /= 2
        return step


def _select(
    chosen: NDArray[np.bool_], active: NDArray[np.int64], parameters: Floats, votes: Tallies
) -> tuple[NDArray[np.int64], Floats, Tallies]:
    """The weightings that go on."""
    return active[chosen], parameters[chosen], votes.select(chosen)


def solve(information: Floats, gradient: Floats) -> Floats:
    """information^-1 gradient, (D, p)."""
    try:
        return np.asarray(np.linalg.solve(information, gradient[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:  # one singular matrix stops the whole stack
        return np.asarray((np.linalg.pinv(information, hermitian=True) @ gradient[:, :, None])[:, :, 0])


def is_determined(information: Floats) -> NDArray[np.bool_]:
    """Whether the votes say something of every parameter, (D,)."""
    if not information.shape[1]:
        return np.ones(len(information), dtype=bool)
    values = np.linalg.eigvalsh(information)
    return np.asarray(values[:, 0] > LEAST_CONDITION * values[:, -1])
