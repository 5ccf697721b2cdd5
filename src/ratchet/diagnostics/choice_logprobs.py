"""What the model thinks of the five letters, read off the forward pass that training makes anyway.

TRL's training step computes no logits (a fused head turns hidden states into log-probabilities at once). But the hidden
state before the committed letter is there, and five rows of the output head are enough: logits over the letters are
``h @ W[letters].T + b``, with the model's own scale and soft-cap (no sampling temperature).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


class Letters:
    """The tokens that are one letter, in families that differ in the letter alone ("A" ... "E", " A" ... " E").

    Args:
        tokenizer: of the model.
        letters: of the task, in order ("A", ..., "E").
    """

    def __init__(self, tokenizer: Any, letters: Sequence[str]):
        self.tokenizer, self.letters = tokenizer, tuple(letters)
        special = set(tokenizer.all_special_ids)
        families: dict[tuple[str, str], dict[str, int]] = {}
        for text, token in tokenizer.get_vocab().items():
            core = [
                c for c in text if c.isalnum() and c not in "Ġ▁Ċ"
            ]  # byte-level and sentencepiece marks of a space or line break
            if len(core) == 1 and core[0] in self.letters and token not in special:
                before, _, after = text.partition(core[0])
                families.setdefault((before, after), {})[core[0]] = token
        self.families = [
            [found[letter] for letter in self.letters]
            for _, found in sorted(families.items())
            if all(letter in found for letter in self.letters)
        ]
        self.of_token = {token: (f, i) for f, family in enumerate(self.families) for i, token in enumerate(family)}

    def places(
        self, completion_ids: Sequence[Sequence[int]], spans: Sequence[tuple[str, int] | None]
    ) -> list[tuple[int, int]]:
        """Where the committed letter of each completion stands among its tokens, and the letter's family; (-1, 0) where nowhere.

        Args:
            completion_ids: of each completion, without padding.
            spans: of each completion, its text and the index of the letter in it; None where no letter is committed.
        """
        candidates = [
            [
                i
                for i, token in enumerate(ids)
                if token in self.of_token and self.letters[self.of_token[token][1]] == span[0][span[1]].upper()
            ]
            if span
            else []
            for ids, span in zip(completion_ids, spans, strict=True)
        ]
        found = [(-1, 0)] * len(candidates)
        turn = 1
        while open_ := [row for row, places in enumerate(candidates) if len(places) >= turn and found[row][0] < 0]:
            prefixes = [completion_ids[row][: candidates[row][-turn] + end] for row in open_ for end in (0, 1)]
            lengths = [len(text) for text in self.tokenizer.batch_decode(prefixes, skip_special_tokens=True)]
            for i, row in enumerate(open_):
                place = candidates[row][-turn]
                if lengths[2 * i] <= spans[row][1] < lengths[2 * i + 1]:
                    found[row] = (place, self.of_token[completion_ids[row][place]][0])
            turn += 1
        return found


@dataclass(frozen=True)
class Head:
    """A model's output head, and what it does to logits."""

    weight: torch.Tensor
    """(vocabulary, hidden)."""
    bias: torch.Tensor | None
    scale: float
    soft_cap: float | None

    def logits(self, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of some tokens: (n, hidden) and (n, k) token ids to (n, k), in float32."""
        rows = self.weight[tokens].to(torch.float32)
        found = torch.einsum("nh,nkh->nk", hidden.to(torch.float32), rows)
        if self.bias is not None:
            found = found + self.bias[tokens].to(torch.float32)
        found = found * self.scale
        return found if self.soft_cap is None else self.soft_cap * torch.tanh(found / self.soft_cap)


def head_of(model: Any) -> Head:
    """The head of a causal language model that is not wrapped. Scale and soft-cap are read as TRL's fused head reads them."""
    config, output = model.config.get_text_config(), model.get_output_embeddings()
    scale = next(
        (
            value
            for key in ("logit_scale", "output_multiplier", "lm_head_multiplier")
            if (value := getattr(config, key, None)) is not None
        ),
        None,
    )
    if scale is None and getattr(config, "logits_scaling", None) is not None:
        scale = config.logits_scaling if config.model_type == "hyperclovax" else 1 / config.logits_scaling
    return Head(
        output.weight, output.bias, 1.0 if scale is None else scale, getattr(config, "final_logit_softcapping", None)
    )


def margins(logits: torch.Tensor) -> torch.Tensor:
    """Best letter's logit minus the second best's: (n, letters) to (n,)."""
    best = logits.topk(2, dim=-1).values
    return best[:, 0] - best[:, 1]


def kl(logits: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """KL(policy || initial) over the letters, in nats: sum of p (log p - log q); (n, letters) twice to (n,)."""
    p, q = torch.log_softmax(logits, -1), torch.log_softmax(initial, -1)
    return (p.exp() * (p - q)).sum(-1)
