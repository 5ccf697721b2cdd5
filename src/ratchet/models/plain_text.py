"""Text of others stays text: a question that spells a control token must not become one."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

JOINER = "\u2060"  # WORD JOINER: shows nothing, and no tokenizer takes what it divides for one token


class PlainText:
    """Puts an invisible character into every spelling of a special token in the contents of messages.

    Chat templates mark turns with such tokens, and the tokenizer finds them wherever they stand: a data row with
    "<|im_end|>" in its question would end the turn there, and could write the system's or the assistant's next one.

    Attributes:
        count: messages that were changed.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase"):
        special = {str(token) for token in tokenizer.all_special_tokens}
        special |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        # A regular expression takes the first alternative that fits, so a token comes before its own beginning.
        longest_first = sorted((token for token in special if token.strip()), key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self.count = 0

    def __call__(self, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The messages, with contents that hold no special token."""
        kept = []
        for message in messages:
            text = message.get("content")
            if isinstance(text, str) and (changed := self.text(text)) != text:
                self.count += 1
                message = {**message, "content": changed}
            kept.append(dict(message))
        return kept

    def found(self, text: str) -> list[str]:
        """The special tokens that a text spells, each once."""
        return [] if self._found is None else list(dict.fromkeys(self._found.findall(text)))

    def text(self, text: str) -> str:
        """A text that holds no special token."""
        return text if self._found is None else self._found.sub(_divided, text)


def _divided(token: re.Match[str]) -> str:
    return token[0][0] + JOINER + token[0][1:]
