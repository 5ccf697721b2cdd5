"""What the model thinks of the choices (A to E), read off the forward pass that training makes anyway.

TRL's training step computes no logits (a fused head turns hidden states into log-probabilities at once). But the
hidden state before the committed letter is there, and five rows of the output head are enough: logits over the choices
are ``h @ W[choices].T + b``, with the model's own scale and soft-cap (no sampling temperature).

The logged names (``rl/letter_*``) speak of letters, as the tasks do whose choices are single letters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

# Marks of byte-level and sentencepiece tokenizers for a space or a line break, which count as letters to ``isalnum``.
_SPACE_MARKS = "Ġ▁Ċ"


class ChoiceTokens:
    """The tokens that are one choice, in families that differ in the choice alone ("A" ... "E", " A" ... " E").

    Args:
        tokenizer: of the model.
        choices: of the task, single letters in order ("A", ..., "E").

    Attributes:
        families: token ids, one list for each family, in the order of ``choices``.
        of_token: token id -> index of its family, index of its choice.
    """

    def __init__(self, tokenizer: Any, choices: Sequence[str]):
        self.tokenizer, self.choices = tokenizer, tuple(choices)
        self.families = self._families()
        self.of_token = {token: (f, i) for f, family in enumerate(self.families) for i, token in enumerate(family)}

    def _families(self) -> list[list[int]]:
        special = set(self.tokenizer.all_special_ids)
        by_context: dict[tuple[str, str], dict[str, int]] = {}
        for text, token in self.tokenizer.get_vocab().items():
            core = [c for c in text if c.isalnum() and c not in _SPACE_MARKS]
            if len(core) == 1 and core[0] in self.choices and token not in special:
                before, _, after = text.partition(core[0])
                by_context.setdefault((before, after), {})[core[0]] = token
        # A family that lacks a choice is left out: its logits could not be compared.
        complete = [tokens for _, tokens in sorted(by_context.items()) if tokens.keys() == set(self.choices)]
        return [[tokens[choice] for choice in self.choices] for tokens in complete]

    def places(
        self, completion_ids: Sequence[Sequence[int]], spans: Sequence[tuple[str, int] | None]
    ) -> list[tuple[int, int]]:
        """Where each completion's committed choice stands among its tokens, and its family; (-1, 0) where nowhere.

        Args:
            completion_ids: of each completion, without padding.
            spans: of each completion, its text and the index of the choice in it; None where none is committed.
        """
        pairs = zip(completion_ids, spans, strict=True)
        candidates = [self._candidates(ids, span) if span else [] for ids, span in pairs]
        places = [(-1, 0)] * len(candidates)
        # A token's place in the text is known only by decoding what stands before it. The committed choice is usually
        # the last candidate, so all rows try theirs from the end, in one batch for each turn.
        turn = 1
        while open_ := [row for row, found in enumerate(candidates) if len(found) >= turn and places[row][0] < 0]:
            prefixes = [completion_ids[row][: candidates[row][-turn] + end] for row in open_ for end in (0, 1)]
            lengths = [len(text) for text in self.tokenizer.batch_decode(prefixes, skip_special_tokens=True)]
            for i, row in enumerate(open_):
                place = candidates[row][-turn]
                if lengths[2 * i] <= spans[row][1] < lengths[2 * i + 1]:
                    places[row] = (place, self.of_token[completion_ids[row][place]][0])
            turn += 1
        return places

    def _candidates(self, ids: Sequence[int], span: tuple[str, int]) -> list[int]:
        """Places of the tokens that are the committed choice."""
        text, at = span
        wanted = text[at].upper()
        return [i for i, token in enumerate(ids) if self._choice(token) == wanted]

    def _choice(self, token: int) -> str | None:
        known = self.of_token.get(token)
        return None if known is None else self.choices[known[1]]


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
        logits = torch.einsum("nh,nkh->nk", hidden.to(torch.float32), rows)
        if self.bias is not None:
            logits = logits + self.bias[tokens].to(torch.float32)
        logits = logits * self.scale
        return logits if self.soft_cap is None else self.soft_cap * torch.tanh(logits / self.soft_cap)


def head_of(model: Any) -> Head:
    """The head of a causal language model that is not wrapped; scale and soft-cap as TRL's fused head reads them."""
    config, output = model.config.get_text_config(), model.get_output_embeddings()
    soft_cap = getattr(config, "final_logit_softcapping", None)
    return Head(output.weight, output.bias, _logit_scale(config), soft_cap)


def _logit_scale(config: Any) -> float:
    for key in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        scale = getattr(config, key, None)
        if scale is not None:
            return scale
    scaling = getattr(config, "logits_scaling", None)
    if scaling is None:
        return 1.0
    # The same key means opposite things: Granite divides its logits by it, HyperCLOVA X multiplies.
    return scaling if config.model_type == "hyperclovax" else 1 / scaling


def margins(logits: torch.Tensor) -> torch.Tensor:
    """Best choice's logit minus the second best's: (n, choices) to (n,)."""
    best = logits.topk(2, dim=-1).values
    return best[:, 0] - best[:, 1]
