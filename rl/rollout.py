"""Rollouts: responses sampled from a policy, with all that an algorithm needs to know about how they came about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rl.mdp import TokenMdp
from rl.nlpo import MaskingPolicy
from rl.policy import Decoding, encode_prompts, evaluating
from rl.sampling import Key, Noise, Sampler, draw_tokens
from rl.support import Support, pack_bits, restrict, scale_logits

DEFAULT_SAMPLER = Sampler()
_DROP_BELOW = 0.75  # finished rows leave the batch when this share of it, or less, is still being written


@dataclass(frozen=True, slots=True)
class Rollout:
    """Responses of one iteration; one record for every algorithm.

    prompt_ids, is_prompt    (B, P): padded on the left for causal models, on the right for encoder-decoders
    response_ids             (B, T): padded on the right; T is the longest response
    is_response              (B, T): True up to and including EOS, or up to the horizon
    log_probs                (B, T): of the sampled token under the behaviour policy (renormalised over the support)
    support                  packed (B, T, V), None for the whole vocabulary; all tokens where is_response is False
    is_renormalised          False for NLPO as released alone: log_probs are over the whole vocabulary all the same
    """

    prompt_ids: Tensor
    is_prompt: Tensor
    response_ids: Tensor
    is_response: Tensor
    log_probs: Tensor
    support: Support | None
    is_renormalised: bool = True

    def __len__(self) -> int:
        return len(self.response_ids)

    def rows(self, indices: Tensor) -> "Rollout":
        """These rows only, cut to their own longest prompt and response."""
        length = int(self.is_response[indices].sum(dim=1).max())
        bits = None if self.support is None else self.support.bits[indices, :length]
        used = self.is_prompt[indices].any(dim=0)
        return Rollout(
            prompt_ids=self.prompt_ids[indices][:, used],
            is_prompt=self.is_prompt[indices][:, used],
            response_ids=self.response_ids[indices, :length],
            is_response=self.is_response[indices, :length],
            log_probs=self.log_probs[indices, :length],
            support=None if bits is None or self.support is None else replace(self.support, bits=bits),
            is_renormalised=self.is_renormalised,
        )

    def is_kept(self) -> Tensor | None:
        """What was drawn from, (B, T, V), None for the whole vocabulary: for the rows at hand only, it is large."""
        return None if self.support is None else self.support.unpack()

    def is_scored(self) -> Tensor | None:
        """What log_probs are normalised over, (B, T, V), None for the whole vocabulary."""
        return self.is_kept() if self.is_renormalised else None

    def scored_inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """What a model's teacher-forced pass takes (rl.policy.response_logits)."""
        return self.prompt_ids, self.is_prompt, self.response_ids

    def completions(self, tokenizer: PreTrainedTokenizerBase) -> list[str]:
        """The responses as text, without special tokens."""
        lengths = self.is_response.sum(dim=1).tolist()
        ids = [row[:length] for row, length in zip(self.response_ids.tolist(), lengths, strict=True)]
        return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def sample_responses(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    horizon: int,
    noise: Noise,
    keys: Sequence[Key] | None = None,
    sampler: Sampler = DEFAULT_SAMPLER,
    mask: MaskingPolicy | None = None,
    batch_size: int = 256,
) -> Rollout:
    """A response for each prompt, from π_θ or, with a `mask`, from π_θ over what its π_ψ keeps.

    keys: one for each prompt, names its noise; the position in `prompts` if not given.
    horizon: most tokens of a response; it ends there or with EOS. batch_size: rows decoded at a time.
    """
    uniforms = noise.uniforms(range(len(prompts)) if keys is None else keys, horizon).to(model.device)
    return _Behaviour(model, tokenizer, horizon, sampler, mask).respond(prompts, uniforms, batch_size)


def respond_greedily(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    horizon: int,
    min_length: int = 0,
    batch_size: int = 256,
) -> Rollout:
    """The most likely token at each step; EOS is none of them before `min_length` tokens."""
    sampler = Sampler(min_length=min_length)
    return _Behaviour(model, tokenizer, horizon, sampler, None).respond(prompts, None, batch_size)


@dataclass(frozen=True, slots=True)
class _Behaviour:
    """The behaviour policy: what is decoded, and how a token is chosen."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    horizon: int
    sampler: Sampler
    mask: MaskingPolicy | None

    @property
    def models(self) -> list[PreTrainedModel]:
        """π_θ and, if there is a mask, π_ψ: each decodes with its own encoder output and its own cache."""
        return [self.model] if self.mask is None else [self.model, self.mask.model]

    @torch.no_grad()
    def respond(self, prompts: Sequence[str], uniforms: Tensor | None, batch_size: int) -> Rollout:
        prompt_ids, is_prompt = encode_prompts(self.model, self.tokenizer, prompts, self.horizon)
        whole = self._empty_rollout(prompt_ids, is_prompt)
        with evaluating(*self.models):
            for rows in torch.arange(len(prompts), device=prompt_ids.device).split(batch_size):
                self._decode(whole, rows, None if uniforms is None else uniforms[rows])
        return whole.rows(torch.arange(len(prompts), device=prompt_ids.device))

    def _empty_rollout(self, prompt_ids: Tensor, is_prompt: Tensor) -> Rollout:
        shape = (len(prompt_ids), self.horizon)
        support = None
        if self.mask is not None or self.sampler.filters:
            vocabulary = self.model.get_output_embeddings().weight.shape[0]
            # All ones: an empty set outside the response would make NaN gradients there.
            bits = torch.full((*shape, -(-vocabulary // 8)), 255, dtype=torch.uint8, device=prompt_ids.device)
            support = Support(bits, vocabulary)
        return Rollout(
            prompt_ids=prompt_ids,
            is_prompt=is_prompt,
            response_ids=prompt_ids.new_full(shape, _pad_id(self.tokenizer)),
            is_response=torch.zeros(shape, dtype=torch.bool, device=prompt_ids.device),
            log_probs=torch.zeros(shape, device=prompt_ids.device),
            support=support,
            is_renormalised=self.mask is None or self.mask.renormalises,
        )

    def _decode(self, whole: Rollout, rows: Tensor, uniforms: Tensor | None) -> None:
        """Write the responses of `rows` (positions in `whole`) into it, token by token."""
        mdp = TokenMdp(self.tokenizer.eos_token_id, self.horizon)
        decodings = [Decoding(model, whole.prompt_ids[rows], whole.is_prompt[rows]) for model in self.models]
        tokens, is_open = None, torch.ones_like(rows, dtype=torch.bool)
        for position in range(self.horizon):
            logits = [scale_logits(decoding.advance(tokens), self.sampler.temperature) for decoding in decodings]
            is_kept = self._support(logits, position)
            drawn_from = restrict(logits[0], is_kept).log_softmax(dim=-1)
            tokens = drawn_from.argmax(-1) if uniforms is None else draw_tokens(drawn_from, uniforms[:, position])
            scored = drawn_from if whole.is_renormalised else logits[0].log_softmax(dim=-1)
            _record(whole, position, rows, is_open, tokens, scored, is_kept)
            is_open = is_open & ~mdp.ends(tokens, position)
            open_rows = is_open.nonzero()[:, 0]
            if len(open_rows) == 0:
                return
            if len(open_rows) <= _DROP_BELOW * len(rows):
                for decoding in decodings:
                    decoding.keep(open_rows)
                rows, tokens, is_open = rows[open_rows], tokens[open_rows], is_open[open_rows]
                uniforms = None if uniforms is None else uniforms[open_rows]

    def _support(self, logits: Sequence[Tensor], position: int) -> Tensor | None:
        """What the next token may be, (B, V): an allowed action, in the mask, left by the filters; in this order."""
        is_allowed = self.sampler.allowed_actions(logits[0], position, self.tokenizer.eos_token_id)
        if self.mask is None:
            return self.sampler.filter(logits[0], is_allowed)
        is_kept = self.mask.support(restrict(logits[1], is_allowed).softmax(dim=-1))
        # Special tokens that the released mask adds may be such as are not allowed yet.
        return self.sampler.filter(logits[0], is_kept if is_allowed is None else is_kept & is_allowed)


def _record(
    whole: Rollout,
    position: int,
    rows: Tensor,
    is_open: Tensor,
    tokens: Tensor,
    log_probs: Tensor,
    is_kept: Tensor | None,
) -> None:
    """Enter one decoded position of the rows that are still being written."""
    written = rows[is_open]
    whole.response_ids[written, position] = tokens[is_open]
    whole.is_response[written, position] = True
    whole.log_probs[written, position] = log_probs.gather(-1, tokens[:, None])[is_open, 0]
    if whole.support is not None and is_kept is not None:
        whole.support.bits[written, position] = pack_bits(is_kept[is_open])


def _pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
