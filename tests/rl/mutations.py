"""Mistakes that training code is prone to, one edit each, with the tests that have to notice it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """name: what is wrong under it. snippet: stands exactly once in `file`, of the repository's root.

    tests: node ids below tests/rl/, of which one has to fail.
    """

    name: str
    file: str
    snippet: str
    replacement: str
    tests: Sequence[str]


MUTATIONS = (
    # The penalty and its controller
    Mutation(
        "the KL penalty is added",
        "rl/kl.py",
        "return (rewards - penalty)",
        "return (rewards + penalty)",
        ["test_kl.py::test_the_penalty_is_subtracted_from_each_token"],
    ),
    Mutation(
        "the controller of beta turns the wrong way",
        "rl/kl.py",
        "(kl_nats - target_nats) / target_nats",
        "(target_nats - kl_nats) / target_nats",
        ["test_kl.py::test_the_controller_moves_beta_as_designed"],
    ),
    Mutation(
        "the k3 estimate has the ratio upside down",
        "rl/groups.py",
        "(reference_log_probs - log_probs).masked_fill",
        "(log_probs - reference_log_probs).masked_fill",
        ["test_groups.py::test_the_kl_estimate_by_hand_is_never_negative"],
    ),
    Mutation(
        "the reference is the policy itself",
        "rl/policy.py",
        "return copy.deepcopy(model).eval().requires_grad_(False)",
        "return model.eval()",
        ["test_policy.py::test_a_frozen_copy_does_not_follow_the_policy[gpt2]"],
    ),
    # Advantages and returns
    Mutation(
        "the TD error has no discount",
        "rl/advantages.py",
        "rewards[:, position] + discount * next_value",
        "rewards[:, position] + next_value",
        ["test_advantages.py::test_a_worked_example"],
    ),
    Mutation(
        "a value is bootstrapped after the end",
        "rl/advantages.py",
        "values = values.masked_fill(~is_response, 0.0)\n    advantages",
        "advantages",
        ["test_advantages.py::test_advantages_match_brute_force_for_every_length"],
    ),
    Mutation(
        "lambda and gamma change places",
        "rl/lessons.py",
        "discount=config.discount, gae_lambda=config.gae_lambda",
        "discount=config.gae_lambda, gae_lambda=config.discount",
        ["test_lessons.py::test_a_critics_lessons_are_whitened_advantages_of_penalised_rewards"],
    ),
    Mutation(
        "advantages are not whitened",
        "rl/lessons.py",
        "Lessons(rollout, whiten(advantages, is_response),",
        "Lessons(rollout, advantages,",
        ["test_lessons.py::test_a_critics_lessons_are_whitened_advantages_of_penalised_rewards"],
    ),
    Mutation(
        "padding is whitened too",
        "rl/advantages.py",
        "counted = entries[is_response]",
        "counted = entries.flatten()",
        ["test_advantages.py::test_whitening_is_over_response_tokens_alone"],
    ),
    Mutation(
        "whitening uses the sample deviation",
        "rl/advantages.py",
        "counted.std(unbiased=False) + 1e-8",
        "counted.std() + 1e-8",
        ["test_advantages.py::test_whitening_is_over_response_tokens_alone"],
    ),
    Mutation(
        "a mean over tokens is a mean of the rows' means",
        "rl/advantages.py",
        "entries.masked_fill(~is_response, 0.0).sum() / is_response.sum()",
        "(entries.masked_fill(~is_response, 0.0).sum(dim=1) / is_response.sum(dim=1)).mean()",
        ["test_advantages.py::test_the_mean_counts_tokens_not_rows"],
    ),
    Mutation(
        "the score falls on the last slot of the batch",
        "rl/mdp.py",
        "last = is_response.sum(dim=1, keepdim=True) - 1",
        "last = torch.full_like(is_response[:, :1], is_response.shape[1] - 1, dtype=torch.long)",
        ["test_mdp.py::test_a_responses_reward_falls_on_its_last_token"],
    ),
    Mutation(
        "the response that is judged is in its own baseline",
        "rl/groups.py",
        "(grouped.sum(dim=1, keepdim=True) - grouped) / (size - 1)",
        "grouped.mean(dim=1, keepdim=True)",
        ["test_groups.py::test_leave_one_out_by_hand"],
    ),
    Mutation(
        "RLOO forgets the penalty",
        "rl/lessons.py",
        "_sum_over_tokens(penalised, is_response)",
        "_sum_over_tokens(rewards, is_response)",
        ["test_lessons.py::test_rloo_compares_whole_responses_rewards_less_their_penalties"],
    ),
    Mutation(
        "GRPO does not divide by the group's deviation",
        "rl/groups.py",
        "(centred / (grouped.std(dim=1, keepdim=True, unbiased=False) + EPSILON))",
        "centred",
        ["test_lessons.py::test_grpo_compares_rewards_alone_and_leaves_the_penalty_to_its_loss"],
    ),
    Mutation(
        "responses to different prompts share a group",
        "rl/train.py",
        "chosen += [items[orders[data_pass][offset]]] * config.samples_per_prompt\n    return chosen",
        "chosen += [items[orders[data_pass][offset]]]\n    return chosen * config.samples_per_prompt",
        ["test_train.py::test_the_responses_to_a_prompt_stand_together"],
    ),
    # Losses
    Mutation(
        "the surrogate is minimised",
        "rl/ppo.py",
        "return -mean_over_response(\n        clipped_objective",
        "return mean_over_response(\n        clipped_objective",
        ["test_ppo.py::test_the_clipped_surrogate_by_hand"],
    ),
    Mutation(
        "the surrogate takes the larger of the two",
        "rl/ppo.py",
        "torch.minimum(ratio * advantages",
        "torch.maximum(ratio * advantages",
        ["test_ppo.py::test_the_clipped_surrogate_by_hand"],
    ),
    Mutation(
        "padding reaches the ratio",
        "rl/ppo.py",
        "(log_probs - behaviour_log_probs).masked_fill(~is_response, 0.0).exp()",
        "(log_probs - behaviour_log_probs).exp()",
        ["test_ppo.py::test_slots_that_do_not_count_may_hold_anything"],
    ),
    Mutation(
        "a clipped value loss takes the smaller error",
        "rl/ppo.py",
        "torch.maximum(error, (bounded",
        "torch.minimum(error, (bounded",
        ["test_ppo.py::test_the_clipped_value_loss_by_hand"],
    ),
    Mutation(
        "the entropy bonus is a penalty",
        "rl/update.py",
        "loss = loss - config.entropy_coefficient",
        "loss = loss + config.entropy_coefficient",
        ["test_algorithms.py::test_an_entropy_bonus_is_that_of_the_renormalised_policy[gpt2]"],
    ),
    Mutation(
        "the ratio is taken over the whole vocabulary",
        "rl/update.py",
        "token_log_probs(logits, rows.response_ids, is_scored)",
        "token_log_probs(logits, rows.response_ids)",
        ["test_update.py::test_the_ratio_stays_one_at_learning_rate_zero[gpt2]"],
    ),
    Mutation(
        "temperature is forgotten when the policy is scored",
        "rl/update.py",
        "scale_logits(logits, config.sampler.temperature)",
        "logits.float()",
        ["test_update.py::test_the_ratio_is_one_at_the_first_minibatch_of_a_ragged_batch[ppo-0.7-gpt2]"],
    ),
    Mutation(
        "temperature is forgotten when the reference is scored",
        "rl/measure.py",
        "reference = scale_logits(reference, temperature)",
        "reference = reference.float()",
        ["test_update.py::test_temperature_divides_the_logits_of_policy_and_reference_alike[gpt2]"],
    ),
    Mutation(
        "a part's share counts rows in the place of tokens",
        "rl/lessons.py",
        "float(lengths[indices].sum() / lengths.sum())",
        "len(indices) / len(minibatch)",
        ["test_update.py::test_microbatches_add_up_to_the_minibatchs_gradient[8-gpt2]"],
    ),
    Mutation(
        "GRPO's parts are weighted by tokens",
        "rl/update.py",
        "* part.response_share",
        "* part.token_share",
        ["test_algorithms.py::test_microbatches_add_up_whatever_the_loss[grpo-gpt2]"],
    ),
    Mutation(
        "every process learns from all rows",
        "rl/lessons.py",
        "own_share(sizes.argsort(stable=True))",
        "sizes.argsort(stable=True)",
        ["test_lessons.py::test_processes_share_a_minibatch_without_gap_or_repeat"],
    ),
    Mutation(
        "GRPO's penalty is taken over the support",
        "rl/update.py",
        "unmasked = token_log_probs(logits, rows.response_ids)",
        "unmasked = token_log_probs(logits, rows.response_ids, rows.is_scored())",
        ["test_algorithms.py::test_grpos_penalty_stands_in_its_loss_and_pulls_towards_the_reference[filtered]"],
    ),
    Mutation(
        "the value model learns at the policy's rate",
        "rl/update.py",
        "factor * config.optimiser.value_learning_rate",
        "factor * config.optimiser.learning_rate",
        ["test_update.py::test_policy_and_value_model_have_rates_of_their_own_on_one_schedule"],
    ),
    Mutation(
        "gradients are not clipped",
        "rl/update.py",
        "clip_grad_norm_(parameters, config.optimiser.gradient_norm)",
        "clip_grad_norm_(parameters, math.inf)",
        ["test_update.py::test_a_gradient_beyond_the_limit_is_shortened_to_it"],
    ),
    # The support, the draw and the rollout
    Mutation(
        "the support stops when p is reached, not exceeded",
        "rl/support.py",
        "(mass_before <= top_mass)",
        "(mass_before < top_mass)",
        ["test_support.py::test_a_mass_that_is_reached_but_not_exceeded_takes_one_more"],
    ),
    Mutation(
        "log-probabilities are not renormalised over the support",
        "rl/support.py",
        "log_probs = restrict(logits, is_kept).log_softmax(dim=-1)",
        "log_probs = restrict(logits.log_softmax(dim=-1), is_kept)",
        ["test_support.py::test_log_probabilities_by_hand"],
    ),
    Mutation(
        "the policy is its own mask",
        "rl/rollout.py",
        "self.mask.support(restrict(logits[1], is_allowed)",
        "self.mask.support(restrict(logits[0], is_allowed)",
        ["test_rollout.py::test_the_support_is_that_of_the_masking_policy_and_holds_every_sampled_token[gpt2]"],
    ),
    Mutation(
        "the mask is never refreshed",
        "rl/nlpo.py",
        "self.model.load_state_dict(policy.state_dict())",
        "pass",
        ["test_update.py::test_the_refreshed_mask_is_the_one_that_is_sampled_with[gpt2]"],
    ),
    Mutation(
        "a token without mass is drawn",
        "rl/sampling.py",
        "(cumulative <= threshold)",
        "(cumulative < threshold)",
        ["test_sampling.py::test_the_smallest_uniform_draws_a_token_with_mass"],
    ),
    Mutation(
        "every iteration draws the same noise",
        "rl/train.py",
        "noise=Noise(config.seed, learner.finished)",
        "noise=Noise(config.seed)",
        ["test_train.py::test_every_iteration_draws_other_noise"],
    ),
    Mutation(
        "sampling leaves dropout on",
        "rl/rollout.py",
        "with evaluating(*self.models):",
        "with evaluating():",
        ["test_rollout.py::test_sampling_turns_dropout_off_and_restores_the_mode[gpt2]"],
    ),
    Mutation(
        "EOS does not count as a token of the response",
        "rl/rollout.py",
        "_record(whole, position, rows, is_open, tokens,",
        "_record(whole, position, rows, is_open & (tokens != mdp.eos), tokens,",
        ["test_rollout.py::test_responses_end_with_eos_or_at_the_horizon[gpt2]"],
    ),
    Mutation(
        "an episode has one token more than its horizon",
        "rl/mdp.py",
        "(position + 1 >= self.horizon)",
        "(position >= self.horizon)",
        ["test_mdp.py::test_an_episode_ends_with_eos_or_at_the_horizon_and_not_before"],
    ),
    # How models are called
    Mutation(
        "a causal model is scored one position late",
        "rl/policy.py",
        """\
    input_ids = torch.cat([prompt_ids, response_ids[:, :-1]], dim=1)
    attention_mask = torch.cat([is_prompt.long(), torch.ones_like(response_ids[:, :-1])], dim=1)
""",
        """\
    input_ids = torch.cat([prompt_ids, response_ids], dim=1)
    attention_mask = torch.cat([is_prompt.long(), torch.ones_like(response_ids)], dim=1)
""",
        ["test_policy.py::test_gpt2_is_scored_on_the_positions_before_each_response_token"],
    ),
    Mutation(
        "T5 reads the token that it is to predict",
        "rl/policy.py",
        "decoder_ids = torch.cat([start, response_ids[:, :-1]], dim=1)",
        "decoder_ids = response_ids",
        ["test_policy.py::test_t5_is_scored_on_the_shifted_response_after_its_start_token"],
    ),
    Mutation(
        "the decoder's mask is made from ids",
        "rl/policy.py",
        "decoder_attention_mask=torch.ones_like(decoder_ids)",
        "decoder_attention_mask=(decoder_ids != model.config.pad_token_id).long()",
        ["test_policy.py::test_the_t5_start_token_is_seen_although_it_is_the_pad_token"],
    ),
    Mutation(
        "left padding shifts GPT-2's positions",
        "rl/policy.py",
        "(attention_mask.cumsum(dim=1) - 1)",
        "(torch.ones_like(attention_mask).cumsum(dim=1) - 1)",
        ["test_policy.py::test_padding_a_prompt_does_not_change_its_logits[gpt2]"],
    ),
    Mutation(
        "causal prompts are padded on the right",
        "rl/policy.py",
        'side = "right" if model.config.is_encoder_decoder else "left"',
        'side = "right"',
        ["test_policy.py::test_prompts_are_padded_left_for_causal_models_and_right_for_the_others"],
    ),
    # TRPO
    Mutation(
        "the natural gradient is not scaled by a square root",
        "rl/trpo.py",
        "(2 * config.kl_limit / curvature).sqrt() * direction",
        "(2 * config.kl_limit / curvature) * direction",
        ["test_trpo.py::test_the_largest_step_reaches_the_border_of_the_quadratic_region"],
    ),
    Mutation(
        "damping has no effect",
        "rl/trpo.py",
        "product(vector) + config.damping * vector",
        "product(vector)",
        ["test_trpo.py::test_damping_counts_in_the_direction_and_in_the_border_alike"],
    ),
    Mutation(
        "the line search leaves the trust region",
        "rl/trpo.py",
        "surrogate > baseline and kl_nats <= config.kl_limit",
        "surrogate > baseline",
        ["test_trpo.py::test_the_line_search_shortens_the_step_until_it_fits"],
    ),
    # Preference pairs and references
    Mutation(
        "DPO has no beta",
        "rl/dpo.py",
        "return beta * (log_ratios[:, 0] - log_ratios[:, 1])",
        "return log_ratios[:, 0] - log_ratios[:, 1]",
        ["test_dpo.py::test_the_loss_by_hand"],
    ),
    Mutation(
        "DPO has no reference",
        "rl/dpo.py",
        'log_ratios = log_probs - learner.reference["train"][part]',
        "log_ratios = log_probs",
        ["test_dpo.py::test_the_policy_is_scored_without_dropout[gpt2]"],
    ),
    Mutation(
        "padding counts in a response's log-probability",
        "rl/sequences.py",
        "log_probs.masked_fill(~batch.is_response, 0.0).sum(dim=1)",
        "log_probs.sum(dim=1)",
        ["test_sequences.py::test_more_padding_changes_no_log_probability[gpt2]"],
    ),
    Mutation(
        "an EOS that is the pad token does not count",
        "rl/sequences.py",
        "counts = [torch.ones(len(row), dtype=torch.bool) for row in rows]",
        "counts = [torch.tensor(row) != pad for row in rows]",
        ["test_sequences.py::test_masks_come_from_lengths_although_eos_is_the_pad_token[gpt2]"],
    ),
    # Resuming
    Mutation(
        "a checkpoint has no mask",
        "rl/learner.py",
        '"masking_policy": None if learner.mask is None else learner.mask.model,',
        "",
        ["test_learner.py::test_a_restored_learner_goes_on_as_the_saved_one_would[separate-gpt2]"],
    ),
)
