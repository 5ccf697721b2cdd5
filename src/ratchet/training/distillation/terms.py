"""What a teacher adds, as formulas on small tensors.

Notation: student and teacher are log-probabilities (B, C) of the sampled tokens, the student's without the context and
the teacher's with it; mask (B, C) is 1 where a token counts; all are detached. A is the advantage of the reward.

    token      A_it = adv_tau A_i + gate (teacher_tau log p_T(y_it) - student_tau log p_S(y_it))
    sequence   R'_i = adv_tau R_i + gate (teacher_tau sum_t log p_T(y_it) - student_tau sum_t log p_S(y_it)),
               A_i = R'_i - mean of the group

With both taus equal the term's expectation is minus tau times the reverse KL of student and teacher: of each token
given what stands before it (on-policy distillation, arXiv 2306.13649), or of the whole completion. With other taus the
sequence form is dominated by length, as each token adds about the same; ``by_length`` divides the sums by it.
"""

import torch

QUARTERS = 4


def token_term(
    student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor, teacher_tau: float, student_tau: float
) -> torch.Tensor:
    """The teacher's part of the advantage of each token (B, C)."""
    return (teacher_tau * teacher - student_tau * student) * mask


def sequence_term(term: torch.Tensor, mask: torch.Tensor, by_length: bool) -> torch.Tensor:
    """The sum (B,) of a token's term, or its mean over the completion."""
    total = term.sum(1)
    return total / mask.sum(1).clamp(min=1) if by_length else total


def less_group_mean(values: torch.Tensor, group: int) -> torch.Tensor:
    """Values (N,) less the mean of their group; of NaN neither is."""
    return values - values.view(-1, group).nanmean(1).repeat_interleave(group)


def wrong_share(right: torch.Tensor, group: int) -> torch.Tensor:
    """For each completion (N,) the share of its group that is wrong."""
    return 1 - right.view(-1, group).float().mean(1).repeat_interleave(group)


def by_quarter(values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of values (B, C) over each quarter of the completions, and the tokens in it, (4,) each."""
    length = mask.sum(1, keepdim=True).clamp(min=1)
    quarter = ((mask.cumsum(1) - 1) * QUARTERS // length).clamp(0, QUARTERS - 1)
    hot = torch.nn.functional.one_hot(quarter.long(), QUARTERS) * mask[..., None]
    return (values[..., None] * hot).sum((0, 1)), hot.sum((0, 1))
