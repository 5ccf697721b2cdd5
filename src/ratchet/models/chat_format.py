"""How a recipe's conversations become what a model reads: one way for training, evaluation, chat and servers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ratchet.errors import UserError
from ratchet.models.ends import declared_ends, end_ids
from ratchet.models.load import load_tokenizer
from ratchet.models.plain_text import PlainText

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Unfit(UserError):
    """A chat template does not render a conversation; the message says in what."""


Message = dict[str, str]
MERGED = "\n\n"
"""Between the system's text and the user's, where one turn holds both."""


@dataclass
class ChatFormat:
    """A tokenizer with its chat template, and how a recipe uses them."""

    tokenizer: "PreTrainedTokenizerBase"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """``chat_template_kwargs``: more arguments of the template."""
    merge_system: bool = False
    """Whether the system's text is put before the first user's, for templates without a system's turn."""
    ends: Sequence[int] = ()
    """The tokens that end an answer; the tokenizer's own is always among them."""

    def __post_init__(self) -> None:
        self.plain = PlainText(self.tokenizer)
        self.ends = end_ids(self.ends, self.tokenizer)

    def messages(self, messages: Sequence[Mapping[str, Any]]) -> list[Message]:
        """A conversation as the template is given it; what spells a special token in it stays text."""
        found = self.plain(messages)
        return merged(found) if self.merge_system else found

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """A conversation as the model reads it, up to where its answer begins."""
        return self._rendered(self.messages(messages), add_generation_prompt=True)

    def answered(self, messages: Sequence[Mapping[str, Any]], answer: str) -> str:
        """A conversation with the model's answer, as the model learns it."""
        return self._rendered(self.messages([*messages, {"role": "assistant", "content": answer}]))

    def ids(self, text: str) -> list[int]:
        """The tokens of a rendered text, which holds its special tokens already."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def sequence(self, messages: Sequence[Mapping[str, Any]], answer: str) -> tuple[list[int], int]:
        """The tokens of a conversation with its answer, and where the answer begins."""
        return self.ids(self.answered(messages, answer)), len(self.ids(self.prompt(messages)))

    def _rendered(self, messages: list[Message], **settings: Any) -> str:
        try:
            return self.tokenizer.apply_chat_template(messages, **{**self.arguments, **settings, "tokenize": False})
        except Exception as error:  # jinja raises its own kinds, and templates raise theirs
            raise Unfit(f"the chat template cannot render the conversation: {error or type(error).__name__}") from None


def merged(messages: Sequence[Message]) -> list[Message]:
    """A conversation whose system's text stands at the beginning of the first user's turn.

    >>> merged([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}])
    [{'role': 'user', 'content': 'Be brief.\\n\\n2 + 2?'}]
    """
    if len(messages) < 2 or messages[0]["role"] != "system" or messages[1]["role"] != "user":
        return list(messages)
    system, user, *others = messages
    return [{**user, "content": f"{system['content']}{MERGED}{user['content']}"}, *others]


def chat_format(values: Mapping[str, Any], path: str, trust_remote_code: bool = False) -> ChatFormat:
    """The chat format of a recipe with the tokenizer of a model.

    Args:
        values: the recipe's keys, of which those about prompts are read.
        path: the model's folder.

    Raises:
        UserError: where the tokenizer cannot be loaded, or lacks what the recipe names.
    """
    tokenizer = load_tokenizer(path, trust_remote_code, values.get("chat_template_path"))
    end = values.get("eos_token")
    if end:
        if end not in tokenizer.get_vocab():
            raise UserError(f"eos_token: {end} is not in the vocabulary of {path}")
        tokenizer.eos_token = end
    arguments, merge_system = values.get("chat_template_kwargs") or {}, bool(values.get("merge_system"))
    return ChatFormat(tokenizer, arguments, merge_system, declared_ends(path))
