"""Objectives: each against the formula of its paper, computed naively in float64, gradients included.

TRL's own loss is what is tested: a GRPOTrainer whose log-probabilities are replaced by a small tensor.
"""

import math
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from trl import GRPOConfig, GRPOTrainer

from ratchet.objectives import OBJECTIVES
from ratchet.training.advantages import take_advantages, totals

GROUP, ROWS, WIDTH = 4, 8, 6
LENGTHS = [6, 3, 1, 4, 2, 6, 5, 3]
REWARDS = [1.0, 0.0, 0.25, 1.0, 0.0, 0.0, 1.0, 0.0]


def batch(seed=0, apart=0.3):
    """Log-probabilities (B, C) of the policy and of the one that sampled, and the mask of the completions."""
    draw = torch.Generator().manual_seed(seed)
    new = -torch.rand(ROWS, WIDTH, generator=draw, dtype=torch.float64) - 0.1
    old = new + apart * torch.randn(ROWS, WIDTH, generator=draw, dtype=torch.float64)
    mask = (torch.arange(WIDTH) < torch.tensor(LENGTHS)[:, None]).double()
    return new.requires_grad_(True), old, mask


def trl_loss(arguments, new, old, mask, advantages, limit=WIDTH):
    """What ``GRPOTrainer._compute_loss`` makes of it, on one process, in one micro-batch."""
    args = GRPOConfig(use_cpu=True, bf16=False, report_to="none", beta=0.0, **arguments)
    trainer = GRPOTrainer.__new__(GRPOTrainer)
    trainer.args, trainer.beta, trainer.loss_type = args, 0.0, args.loss_type
    trainer.epsilon_low = args.epsilon
    trainer.epsilon_high = args.epsilon if args.epsilon_high is None else args.epsilon_high
    trainer.importance_sampling_level, trainer.off_policy_mask_threshold = args.importance_sampling_level, None
    trainer.top_entropy_quantile, trainer.use_vllm, trainer.use_liger_kernel = 1.0, False, False
    trainer._entropy_bonus_enabled, trainer.aux_loss_enabled = False, False
    trainer.max_completion_length, trainer.current_gradient_accumulation_steps = limit, 1
    args.steps_per_generation = 1
    trainer.model = SimpleNamespace(training=True)
    trainer._metrics, trainer.accelerator = {"train": defaultdict(list)}, Accelerator(cpu=True)
    scored = (new, torch.zeros_like(new), None)
    trainer._get_per_token_logps_and_entropies = lambda *args, **kwargs: scored
    ids = torch.zeros(ROWS, WIDTH, dtype=torch.long)
    inputs = {
        **{"prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1] + 1, "completion_ids": ids},
        **{"completion_mask": mask, "advantages": advantages, "old_per_token_logps": old},
        "num_items_in_batch": mask.sum(),
    }
    return trainer._compute_loss(trainer.model, inputs)


def by_group(values):
    return [values[i : i + GROUP] for i in range(0, len(values), GROUP)]


def over_spread():
    found = []
    for rewards in by_group(REWARDS):
        mean = sum(rewards) / GROUP
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards) / (GROUP - 1))
        found += [(r - mean) / (std + 1e-4) for r in rewards]
    return found


def less_mean():
    return [r - sum(rewards) / GROUP for rewards in by_group(REWARDS) for r in rewards]


def leave_one_out():
    return [r - (sum(rewards) - r) / (GROUP - 1) for rewards in by_group(REWARDS) for r in rewards]


def by_length():
    found = []
    for rewards, lengths in zip(by_group(REWARDS), by_group(LENGTHS), strict=True):
        base = sum(r * n for r, n in zip(rewards, lengths, strict=True)) / sum(lengths)
        found += [r - base for r in rewards]
    return found


def over_mean():
    found = []
    for rewards in by_group(REWARDS):
        mean = sum(rewards) / GROUP
        found += [(r - mean) / mean if mean > 0 else 0.0 for r in rewards]
    return found


def clip(value, low, high):
    return value.clamp(1 - low, 1 + high)


def each_token(new, old, advantages, term):
    """Rows of lists: the loss of every token."""
    return [[term(new[i, t], old[i, t], advantages[i], i) for t in range(LENGTHS[i])] for i in range(len(advantages))]


def clipped(low, high):
    def term(new, old, advantage, _):
        ratio = (new - old).exp()
        return -torch.min(ratio * advantage, clip(ratio, low, high) * advantage)

    return term


def capped(cap):
    return lambda new, old, advantage, _: -(new - old).exp().clamp(max=cap).detach() * advantage * new


def plain(new, old, advantage, _):
    """REINFORCE: with old == new its gradient is that of -A log pi."""
    return -advantage * (new - old).exp()


def soft(new, old, advantage, _):
    tau = 1.0 if advantage > 0 else 1.05
    return -4 / tau * torch.sigmoid(tau * ((new - old).exp() - 1)) * advantage


def rows_mean(tokens):
    return sum(sum(row) / len(row) for row in tokens) / len(tokens)


def tokens_mean(tokens):
    return sum(map(sum, tokens)) / sum(map(len, tokens))


def constant(tokens):
    return sum(map(sum, tokens)) / (len(tokens) * WIDTH)


def sequence(new, old, advantages, low, high, times_length):
    terms = []
    for i, n in enumerate(LENGTHS):
        ratio = ((new[i, :n] - old[i, :n]).sum() / n).exp()
        term = -torch.min(ratio * advantages[i], clip(ratio, low, high) * advantages[i])
        terms.append(term * n if times_length else term)
    return sum(terms) / len(terms)


def gamma(new, old, advantages):
    total = 0.0
    for i, n in enumerate(LENGTHS):
        w = (new[i, :n] - old[i, :n]).sum().exp().detach()
        k, lam = (2.0, 3.0) if advantages[i] >= 0 else (3.0, 2.0)
        total = total - w**k * torch.exp(lam * (1 - w)) * advantages[i] * new[i, :n].sum()
    return total / sum(LENGTHS)


PAPERS = {
    "grpo": (over_spread, lambda n, o, a: rows_mean(each_token(n, o, a, clipped(0.2, 0.2)))),
    "dr_grpo": (less_mean, lambda n, o, a: constant(each_token(n, o, a, clipped(0.2, 0.2)))),
    "dapo": (over_spread, lambda n, o, a: tokens_mean(each_token(n, o, a, clipped(0.2, 0.28)))),
    "bnpo": (over_spread, lambda n, o, a: tokens_mean(each_token(n, o, a, clipped(0.2, 0.2)))),
    "cispo": (over_spread, lambda n, o, a: tokens_mean(each_token(n, o, a, capped(5.0)))),
    "gspo": (over_spread, lambda n, o, a: sequence(n, o, a, 3e-4, 4e-4, False)),
    "aipo": (less_mean, lambda n, o, a: tokens_mean(each_token(n, o, a, capped(2.0)))),
    "rloo": (leave_one_out, lambda n, o, a: constant(each_token(n, o, a, plain))),
    "opo": (by_length, lambda n, o, a: constant(each_token(n, o, a, plain))),
    "max_rl": (over_mean, lambda n, o, a: constant(each_token(n, o, a, plain))),
    "sapo": (over_spread, lambda n, o, a: rows_mean(each_token(n, o, a, soft))),
    "vespo": (over_spread, gamma),
    "luspo": (over_spread, lambda n, o, a: sequence(n, o, a, 3e-4, 4e-4, True)),
}


def test_every_objective_has_its_paper():
    assert PAPERS.keys() == OBJECTIVES.keys()
    assert all(kind.name == name and kind.paper for name, kind in OBJECTIVES.items())


@pytest.mark.parametrize(
    ("name", "apart"),
    [(name, apart) for name, kind in OBJECTIVES.items() for apart in ([0.0] if kind.on_policy else [0.0, 0.3, 2.0])],
)
def test_loss_and_gradient_are_those_of_the_paper(name, apart):
    """``apart``: how far the policy is from the one that sampled, in standard deviations of a log-ratio."""
    objective = OBJECTIVES[name]()
    advantage, formula = PAPERS[name]
    advantages = advantage()
    new, old, mask = batch(apart=apart)
    expected = formula(new, old, advantages)
    (wanted,) = torch.autograd.grad(expected, new)
    loss = trl_loss(objective.arguments(), new, old, mask, torch.tensor(advantages, dtype=torch.float64))
    (found,) = torch.autograd.grad(loss, new)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)  # TRL's constants are float32
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", [name for name, kind in OBJECTIVES.items() if kind.estimates])
def test_an_advantage_of_its_own_is_that_of_the_paper(name):
    rewards, lengths = torch.tensor(REWARDS, dtype=torch.float64), torch.tensor(LENGTHS)
    found = OBJECTIVES[name]().advantages(rewards, lengths, GROUP)
    torch.testing.assert_close(found, torch.tensor(PAPERS[name][0](), dtype=torch.float64))


@pytest.mark.parametrize("name", [name for name, kind in OBJECTIVES.items() if kind.estimates])
def test_a_group_without_spread_teaches_nothing_and_a_completion_without_reward_is_left_out(name):
    objective, lengths = OBJECTIVES[name](), torch.tensor([3, 2, 5, 1])
    assert objective.advantages(torch.full((4,), 0.5), lengths, 4).abs().max() < 1e-6
    assert not objective.advantages(torch.zeros(4), lengths, 4).any()
    three = objective.advantages(torch.tensor([1.0, 0.0, 0.0]), lengths[:3], 3)
    four = objective.advantages(torch.tensor([1.0, 0.0, 0.0, float("nan")]), lengths, 4)
    torch.testing.assert_close(four[:3], three)
    assert four[3].isnan()


class Halves:
    """Two processes: what each has, and what all have."""

    def __init__(self, index, everything, count):
        self.process_index, self.everything, self.num_processes = index, everything, count

    def gather(self, own):
        return self.everything


@pytest.mark.parametrize("name", [name for name, kind in OBJECTIVES.items() if kind.estimates])
def test_two_processes_have_the_advantages_of_one(name):
    rewards, lengths = torch.tensor(REWARDS)[:, None], torch.tensor(LENGTHS)
    mask = (torch.arange(WIDTH) < lengths[:, None]).long()

    def taken(accelerator, own):
        trainer = SimpleNamespace(
            accelerator=accelerator,
            num_generations=GROUP,
            reward_weights=torch.tensor([2.0]),
            _logs={"advantages": [0.0] * ROWS},
        )
        output = {"completion_mask": mask[own], "advantages": torch.zeros(len(mask[own]))}
        take_advantages(trainer, OBJECTIVES[name](), rewards, output)
        return output["advantages"], trainer._logs["advantages"]

    whole, logged = taken(Halves(0, lengths, 1), slice(0, ROWS))
    halves = [taken(Halves(i, lengths, 2), slice(4 * i, 4 * i + 4)) for i in range(2)]
    torch.testing.assert_close(torch.cat([half for half, _ in halves]), whole)
    assert all(one == logged == pytest.approx(whole.tolist()) for _, one in halves)


def test_a_completion_that_no_reward_applies_to_has_no_total():
    trainer = SimpleNamespace(reward_weights=torch.tensor([1.0, 0.5]))
    nan = float("nan")
    found = totals(trainer, torch.tensor([[1.0, nan], [nan, nan], [1.0, 1.0]]))
    assert found[0] == 1.0 and found[1].isnan() and found[2] == 1.5
