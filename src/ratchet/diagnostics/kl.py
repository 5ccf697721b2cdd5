"""The distance of the policy from the initial model, KL(policy || initial), in nats: over choices, and over sequences.

Over the choices the sum is exact. Over a whole sequence it is estimated on the policy's own samples: the mean over
their tokens of log p - log q, Schulman's k1 estimator (http://joschu.net/blog/kl-approx.html), unbiased and sometimes
negative.
"""

import torch


def choice_kl(logits: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """Sum over the choices of p (log p - log q); logits (n, choices) of both models to (n,)."""
    p, q = torch.log_softmax(logits, -1), torch.log_softmax(initial, -1)
    return (p.exp() * (p - q)).sum(-1)


def sequence_kl(logps: torch.Tensor, initial: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over a completion's tokens of log p - log q, and where there is one.

    Args:
        logps: log-probabilities (B, T) of the policy, and ``initial`` those of the initial model, for the same tokens.
        mask: 1 for the tokens that count (B, T); a truncated completion may have none.

    Returns:
        The means (B,), and which of them are of at least one token (B,).
    """
    lengths = mask.sum(1)
    return ((logps - initial) * mask).sum(1) / lengths.clamp(min=1), lengths > 0
