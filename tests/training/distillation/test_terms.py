"""The formulas of distillation on small tensors, against computations from their definitions in float64."""

from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModelForCausalLM, Qwen3Config

from ratchet.training.distillation import terms
from ratchet.training.distillation.distiller import LEAK
from ratchet.training.distillation.divergence import BETA, Divergence
from ratchet.training.distillation.teachers import Frozen
from ratchet.training.distillation.top_k import TopK

DRAW = torch.Generator().manual_seed(0)


def logits(*shape):
    return torch.randn(*shape, generator=DRAW, dtype=torch.float64)


def test_with_equal_taus_the_gradient_is_that_of_the_reverse_kl():
    student, teacher = logits(7).requires_grad_(True), logits(7).log_softmax(0)
    own = student.log_softmax(0)
    kl = (own.exp() * (own - teacher)).sum()
    (wanted,) = torch.autograd.grad(kl, student, retain_graph=True)
    # every token that could be sampled, with its chance: the expectation of the policy gradient
    advantage = terms.token_term(own.detach()[:, None], teacher[:, None], torch.ones(7, 1), 0.5, 0.5)[:, 0]
    (found,) = torch.autograd.grad(-(own.exp().detach() * advantage * own).sum(), student)
    torch.testing.assert_close(found, 0.5 * wanted)


def test_the_sequence_form_joins_the_reward_before_the_mean_is_taken():
    student, teacher, mask = (
        logits(4, 5),
        logits(4, 5),
        (torch.arange(5) < torch.tensor([[5], [2], [1], [3]])).double(),
    )
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    term = terms.sequence_term(terms.token_term(student, teacher, mask, 0.7, 0.3), mask, by_length=False)
    found = terms.less_group_mean(0.5 * rewards + term, 2)
    lengths, expected = [5, 2, 1, 3], []
    for i, length in enumerate(lengths):
        told = 0.7 * sum(float(teacher[i, t]) for t in range(length))
        own = 0.3 * sum(float(student[i, t]) for t in range(length))
        expected.append(0.5 * float(rewards[i]) + told - own)
    pairs = [(expected[0] + expected[1]) / 2, (expected[2] + expected[3]) / 2]
    torch.testing.assert_close(found, torch.tensor([e - pairs[i // 2] for i, e in enumerate(expected)]).double())


def test_by_length_a_completion_that_is_twice_as_long_weighs_no_more():
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    student, teacher = torch.full((2, 4), -0.5), torch.full((2, 4), -0.2)
    term = terms.token_term(student, teacher, mask, 1.0, 0.5)
    assert terms.sequence_term(term, mask, by_length=False).tolist() == pytest.approx([0.1, 0.2])
    assert terms.sequence_term(term, mask, by_length=True).tolist() == pytest.approx([0.05, 0.05])


def test_the_gate_is_the_share_of_a_prompts_completions_that_are_wrong():
    right = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert terms.wrong_share(right, 4).tolist() == [0.25] * 4 + [1.0] * 4


def test_quarters_are_of_each_completions_own_length():
    values, mask = torch.ones(2, 8), (torch.arange(8) < torch.tensor([[8], [4]])).float()
    sums, counts = terms.by_quarter(values * torch.arange(8), mask)
    assert counts.tolist() == [3.0, 3.0, 3.0, 3.0]
    assert sums.tolist() == [0 + 1 + 0, 2 + 3 + 1, 4 + 5 + 2, 6 + 7 + 3]


def tiny(seed):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Qwen3Config(vocab_size=50, num_key_value_heads=2, head_dim=8, max_position_embeddings=64, **sizes)
    return AutoModelForCausalLM.from_config(config).double().eval()


def naive_divergence(student, teacher, form):
    """Of log-probabilities (tokens, V), a mean over tokens."""
    if form == "reverse_kl":
        return (student.exp() * (student - teacher)).sum(-1).mean()
    if form == "forward_kl":
        return (teacher.exp() * (teacher - student)).sum(-1).mean()
    middle = ((student.exp() + teacher.exp()) / 2).log()
    parts = (naive_divergence(one, middle, "reverse_kl") for one in (student, teacher))
    return sum(parts) / 2


@pytest.mark.parametrize("form", BETA)
def test_a_divergence_is_that_of_the_definition_with_a_teacher_that_reads_another_prompt(form):
    student, teacher = tiny(0), tiny(1)
    trainer = SimpleNamespace(accelerator=Accelerator(cpu=True), temperature=0.7, model=student)
    made = Divergence(trainer, Frozen(trainer, teacher, "another model"), form)
    ids = torch.randint(0, 50, (3, 4), generator=DRAW)
    told = torch.randint(0, 50, (3, 6), generator=DRAW)
    written = torch.randint(0, 50, (3, 5), generator=DRAW)
    mask = (torch.arange(5) < torch.tensor([[5], [2], [3]])).long()
    told_mask = torch.ones_like(told)
    told_mask[1, :2] = 0
    inputs = {
        **{"prompt_ids": ids, "prompt_mask": torch.ones_like(ids), "completion_ids": written, "completion_mask": mask},
        **{"teacher_prompt_ids": told, "teacher_prompt_mask": told_mask},
    }
    loss, mean = made.loss(student, inputs, torch.tensor(20.0))
    own, others = [], []
    for i, length in enumerate([5, 2, 3]):
        for model, prompt, kept in ((student, ids[i], own), (teacher, told[i][told_mask[i].bool()], others)):
            whole = torch.cat([prompt, written[i, :length]])[None]
            kept.append((model(input_ids=whole).logits[0, len(prompt) - 1 : -1] / 0.7).log_softmax(-1))
    expected = naive_divergence(torch.cat(own), torch.cat(others).detach(), form)
    assert mean == pytest.approx(expected.item(), rel=1e-4)
    assert loss.item() == pytest.approx(expected.item() * 10 / 20, rel=1e-4)
    weight = student.model.layers[0].mlp.up_proj.weight
    (wanted,) = torch.autograd.grad(expected * 10 / 20, weight)
    (found,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-7)


def test_the_teachers_likeliest_tokens_and_a_bucket_for_the_rest():
    student, teacher = tiny(0), tiny(1)
    args = SimpleNamespace(per_device_train_batch_size=2)
    trainer = SimpleNamespace(accelerator=Accelerator(cpu=True), temperature=0.7, model=student, args=args)
    made = TopK(trainer, Frozen(trainer, teacher, "another model"), k=3)
    ids, written = torch.randint(0, 50, (3, 4), generator=DRAW), torch.randint(0, 50, (3, 5), generator=DRAW)
    mask = (torch.arange(5) < torch.tensor([[5], [2], [3]])).long()
    inputs = {
        **{"prompt_ids": ids, "prompt_mask": torch.ones_like(ids), "completion_ids": written, "completion_mask": mask},
        **{"teacher_prompt_ids": ids[:, 1:], "teacher_prompt_mask": torch.ones_like(ids[:, 1:])},
    }
    inputs["teacher_top_ids"], inputs["teacher_top_logps"] = made.top(inputs)
    loss, _ = made.loss(student, inputs, torch.tensor(20.0))
    expected = torch.zeros((), dtype=torch.float64)
    for i, length in enumerate([5, 2, 3]):
        both = []
        for model, prompt in ((student, ids[i]), (teacher, ids[i, 1:])):
            whole = torch.cat([prompt, written[i, :length]])[None]
            both.append((model(input_ids=whole).logits[0, len(prompt) - 1 : -1] / 0.7).softmax(-1))
        for own, others in zip(*both, strict=True):
            best = others.topk(3).indices
            groups = [(own[t], others[t].detach()) for t in best]
            groups.append((1 - own[best].sum(), 1 - others[best].sum().detach()))
            expected = expected + sum(q * (q / p).log() for p, q in groups)
    assert loss.item() == pytest.approx(expected.item() / 20, rel=1e-4)
    weight = student.model.layers[0].mlp.up_proj.weight
    (wanted,) = torch.autograd.grad(expected / 20, weight)
    (found,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("According to the hint, 9 * 8 = 72.", True),
        ("The hint says that it is C.", True),
        ("Following the instructions in the system prompt, I work it out.", True),
        ("By the rule of three it is 12.", False),
        ("In this context the word means water.", False),
        ("She was given a hint of lemon.", False),
    ],
)
def test_a_student_that_speaks_of_a_context_is_found(text, speaks):
    assert (LEAK.search(text) is not None) is speaks
