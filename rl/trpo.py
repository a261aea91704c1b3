"""TRPO, after Schulman et al. 2015 (arXiv 1502.05477): a natural-gradient step inside a trust region.

maximise g·x subject to ½ xᵀ F x ≤ δ, where g is the surrogate's gradient and F the Fisher matrix, the Hessian of the
mean KL(π_old ‖ π) at π_old. F is never formed: conjugate gradients need its products with vectors alone. A line search
then takes the longest step that improves the surrogate and keeps the exact KL within δ. (Appendix C.)

Vectors are flat: all trainable parameters one after the other, (N,).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class TrpoConfig:
    """kl_limit: δ, nats a response token. conjugate_steps: iterations of conjugate gradients, with `damping` · I added
    to F. backtracks: tries of the line search, each `backtrack_factor` times the last."""

    kl_limit: float = 0.01
    conjugate_steps: int = 15
    damping: float = 0.1
    backtracks: int = 10
    backtrack_factor: float = 0.8


@dataclass(frozen=True, slots=True)
class TrustRegionStep:
    """What the line search settled on. scale 0: no step improved the surrogate within the region, nothing moved."""

    scale: float
    surrogate: float
    kl_nats: float


def conjugate_gradient(product: Product, target: Tensor, steps: int, tolerance: float = 1e-10) -> Tensor:
    """x with F x ≈ target (N,), for a symmetric positive definite F given by its products."""
    solution = torch.zeros_like(target)
    residual, direction = target.clone(), target.clone()
    error = residual.dot(residual)
    for _ in range(steps):
        if error <= tolerance:
            break
        image = product(direction)
        length = error / direction.dot(image)
        solution += length * direction
        residual -= length * image
        previous, error = error, residual.dot(residual)
        direction = residual + error / previous * direction
    return solution


def fisher_product(kl_parts: Callable[[], Iterable[Tensor]], parameters: Sequence[nn.Parameter]) -> Product:
    """v ↦ F v by differentiating (∇ KL)·v, part by part of the mean KL.

    kl_parts: terms that add up to KL(π_old ‖ π) at π = π_old, differentiable in π, each anew at every call. It takes
    second derivatives, which fused attention does not have: the model must use eager attention.
    """

    def multiply(vector: Tensor) -> Tensor:
        product = torch.zeros_like(vector)
        for kl in kl_parts():
            gradients = torch.autograd.grad(kl, parameters, create_graph=True, materialize_grads=True)
            slope = flatten(gradients).dot(vector)
            product += flatten(torch.autograd.grad(slope, parameters, materialize_grads=True)).detach()
        return product

    return multiply


def largest_step(gradient: Tensor, product: Product, config: TrpoConfig) -> Tensor:
    """√(2δ / xᵀHx) · x with H x = gradient and H = F + ζI: the natural gradient, to the region's border (N,)."""

    def damped(vector: Tensor) -> Tensor:
        return product(vector) + config.damping * vector

    direction = conjugate_gradient(damped, gradient, config.conjugate_steps)
    curvature = direction.dot(damped(direction))
    if curvature <= 0:  # a gradient of zero: nothing to improve
        return torch.zeros_like(gradient)
    return (2 * config.kl_limit / curvature).sqrt() * direction


@torch.no_grad()
def search_along(
    step: Tensor,
    parameters: Sequence[nn.Parameter],
    measure: Callable[[], tuple[float, float]],
    config: TrpoConfig,
) -> TrustRegionStep:
    """Take the longest of the shortened steps that improves the surrogate with a KL of at most δ; else go back.

    measure: the surrogate (higher is better) and KL(π_old ‖ π) at the present parameters.
    """
    start, (baseline, _) = flatten(parameters).clone(), measure()
    scale = 1.0
    for _ in range(config.backtracks):
        assign(parameters, start + scale * step)
        surrogate, kl_nats = measure()
        if surrogate > baseline and kl_nats <= config.kl_limit:
            return TrustRegionStep(scale, surrogate, kl_nats)
        scale *= config.backtrack_factor
    assign(parameters, start)
    return TrustRegionStep(0.0, baseline, 0.0)


def flatten(tensors: Sequence[Tensor] | Sequence[nn.Parameter]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def assign(parameters: Sequence[nn.Parameter], vector: Tensor) -> None:
    """Write a flat vector (N,) into the parameters."""
    parts = vector.split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.copy_(part.view_as(parameter))
