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
class Likelihood:
    """The log likelihood with its derivatives; design (M, p), or (M, p - 1) with ties."""

    design: Floats
    has_ties: bool

    @property
    def size(self) -> int:
        return self.design.shape[1] + self.has_ties

    def predict(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Mean vote and share of ties in each setting, (D, M) each."""
        eta, total = self._exponents(parameters)
        share = np.exp(parameters[:, -1:] - total) if self.has_ties else np.zeros_like(eta)
        return np.exp(eta / 2 - total) - np.exp(-eta / 2 - total), share

    def _exponents(self, parameters: Floats) -> tuple[Floats, Floats]:
        """eta, and the log of the sum of the three terms, (D, M) each."""
        eta = parameters[:, : self.design.shape[1]] @ self.design.T
        total = np.logaddexp(eta / 2, -eta / 2)
        return eta, np.logaddexp(total, parameters[:, -1:]) if self.has_ties else total

    def log_likelihood(self, parameters: Floats, votes: Tallies) -> Floats:
        """(D,)."""
        eta, total = self._exponents(parameters)
        value = (votes.net * eta / 2 - votes.total * total).sum(axis=1)
        return value + votes.ties.sum(axis=1) * parameters[:, -1] if self.has_ties else value

    def gradient(self, parameters: Floats, votes: Tallies) -> Floats:
        """(D, p)."""
        mean, share = self.predict(parameters)
        of_design = (votes.net - votes.total * mean) / 2 @ self.design
        if not self.has_ties:
            return of_design
        return np.column_stack([of_design, (votes.ties - votes.total * share).sum(axis=1)])

    def information(self, parameters: Floats, votes: Tallies) -> Floats:
        """Fisher's information, (D, p, p)."""
        mean, share = self.predict(parameters)
        weight = votes.total * (1 - share - mean**2) / 4
        matrix = (self.design.T[None, :, :] * weight[:, None, :]) @ self.design
        if not self.has_ties:
            return matrix
        cross = (votes.total * -mean * share / 2) @ self.design
        corner = (votes.total * share * (1 - share)).sum(axis=1)
        return np.concatenate(
            [
                np.concatenate([matrix, cross[:, :, None]], axis=2),
                np.concatenate([cross, corner[:, None]], axis=1)[:, None, :],
            ],
            axis=1,
        )

    def maximise(self, votes: Tallies, start: Floats) -> Floats:
        """The parameters (D, p) by Newton's method from start (p,); NaN where the votes bound no maximum."""
        found = np.full((len(votes.net), self.size), np.nan)
        active = np.arange(len(found))
        parameters = np.tile(start, (len(found), 1))
        for _ in range(MOST_STEPS):
            if not len(active):
                break
            gradient, information = self.gradient(parameters, votes), self.information(parameters, votes)
            step = solve(information, gradient)
            gain = (gradient * step).sum(axis=1)
            parameters = parameters + self._shorten(step, parameters, votes)
            is_still = (gain < CONVERGED * votes.total.sum(axis=1)) & (np.abs(step).max(axis=1, initial=0) < SMALL_STEP)
            is_found = np.flatnonzero(is_still)[is_determined(information[is_still])]
            found[active[is_found]] = parameters[is_found]
            goes_on = ~is_still & self._is_bounded(parameters)
            active, parameters, votes = active[goes_on], parameters[goes_on], votes.select(goes_on)
        return found

    def _is_bounded(self, parameters: Floats) -> NDArray[np.bool_]:
        eta, _ = self._exponents(parameters)
        largest = np.abs(eta).max(axis=1, initial=0)
        if self.has_ties:
            largest = np.maximum(largest, np.abs(parameters[:, -1]))
        return np.asarray(largest < LARGEST_ODDS)

    def _shorten(self, step: Floats, parameters: Floats, votes: Tallies) -> Floats:
        """The step (D, p), halved until the likelihood does not fall."""
        value = self.log_likelihood(parameters, votes)
        least = value - 1e-13 * np.abs(value)  # rounding is no fall
        step = step.copy()
        for _ in range(MOST_HALVINGS):
            falls = self.log_likelihood(parameters + step, votes) < least
            if not falls.any():
                break
            step[falls] /= 2
        return step


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
