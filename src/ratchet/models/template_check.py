"""Refuse a chat template that shows or teaches a model something else than a run's rows say.

Every text of a row has to be in what is rendered; a prompt has to be how the answered conversation begins, so that a
model is trained on what it will be asked; and an answer has to end with a token at which generation stops. Where a
template fails, what would fit is tried on the same rows, and named.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ratchet.errors import UserError
from ratchet.models.chat_format import ChatFormat, Message, Unfit
from ratchet.models.load import TRL, template_file, trl_templates

THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
OPENED = "<think>"
SWITCHES = ("enable_thinking", "thinking")
"""Arguments by which templates of reasoning models are told whether to think."""


@dataclass(frozen=True)
class Sample:
    """A row as the check needs it."""

    id: str
    messages: Sequence[Message]
    target: str | None = None
    """What is imitated; None where completions are sampled."""


def check_template(chat: ChatFormat, samples: Sequence[Sample]) -> list[str]:
    """Render rows as training and evaluation will; returns what should be known about the template, a sentence each.

    Raises:
        UserError: for the first row that does not fit, with what would.
    """
    if not chat.ends:
        raise UserError(
            "neither the tokenizer nor the model's generation_config.json names a token that ends an answer "
            "(eos_token), so generation would never stop; name one of the vocabulary in the recipe: eos_token: TOKEN"
        )
    for sample in samples:
        try:
            _fit(chat, sample)
        except Unfit as error:
            raise UserError(f"row {sample.id}: {error}. {_advice(chat, samples)}") from None
    return _notes(chat, samples)


def check_prompts(chat: ChatFormat, samples: Sequence[Sample]) -> None:
    """Refuse a template that leaves texts of a prompt out.

    Raises:
        UserError: for the first row of which a text is missing.
    """
    for sample in samples:
        try:
            _shown(chat, sample, chat.prompt(sample.messages))
        except Unfit as error:
            raise UserError(f"row {sample.id}: {error}. {_advice(chat, samples)}") from None


def _fit(chat: ChatFormat, sample: Sample) -> None:
    prompt = chat.prompt(sample.messages)
    _shown(chat, sample, prompt)
    if sample.target is None:
        _can_end(chat, sample.messages)
        return
    whole = chat.answered(sample.messages, sample.target)
    if not whole.startswith(prompt):
        raise Unfit(_difference(prompt, whole))
    learned = whole[len(prompt) :]
    opened = OPENED if prompt.rstrip().endswith(OPENED) else ""
    if _squeezed(chat.plain.text(sample.target)) not in _squeezed(opened + learned):
        raise Unfit(
            f"the chat template cuts the answer that is to be learned: of {sample.target!r:.120} it keeps "
            f"{learned!r:.120}"
        )
    ids, first = chat.ids(whole), chat.ids(prompt)
    if ids[: len(first)] != first:
        raise Unfit(
            "the end of the prompt and the beginning of the answer are one token, so the model would be trained on "
            f"another prompt than it is asked: the answer begins with {sample.target!r:.40}"
        )
    _has_end(chat, learned, "the assistant's turn ends")


def _shown(chat: ChatFormat, sample: Sample, prompt: str) -> None:
    """Every text of a prompt is in what is rendered; the reasoning of turns that are over may be left out."""
    rendered = _squeezed(prompt)
    for message in sample.messages:
        text = chat.plain.text(message["content"])
        kept = THOUGHT.sub("", text) if message["role"] == "assistant" else text
        if _squeezed(kept) not in rendered:
            raise Unfit(f"the chat template leaves out the {message['role']}'s text, {text!r:.80}")


def _can_end(chat: ChatFormat, messages: Sequence[Message]) -> None:
    """A token that ends an answer follows one that is over, at the end or before the next turn."""
    answer = "An answer."
    later = [*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": "Another question?"}]
    texts = [chat.answered(messages, answer)]
    with suppress(Unfit):  # a template for one question alone
        texts.append(chat.prompt(later))
    _has_end(chat, "".join(text.rpartition(answer)[2] for text in texts), "an answer is followed")


def _has_end(chat: ChatFormat, text: str, what: str) -> None:
    if set(chat.ids(text)) & set(chat.ends):
        return
    names = ", ".join(str(token) for token in chat.tokenizer.convert_ids_to_tokens(list(chat.ends)))
    raise Unfit(
        f"in the chat template {what} with {text[-40:]!r}, and generation ends at {names} only, so that the model "
        "would never stop"
    )


def _difference(prompt: str, whole: str) -> str:
    same = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(whole))
    return (
        "the chat template renders a prompt differently once it is answered, and the model would be trained on "
        f"another prompt than it is asked: {prompt[same:]!r:.80} becomes {whole[same:]!r:.80}"
    )


def _squeezed(text: str) -> str:
    """Without white space: templates trim turns, and set reasoning on lines of its own."""
    return "".join(text.split())


def _notes(chat: ChatFormat, samples: Sequence[Sample]) -> list[str]:
    if not samples or not chat.prompt(samples[0].messages).rstrip().endswith(OPENED):
        return []
    if samples[0].target is None:
        return [f"the prompt ends with {OPENED}: completions begin inside the model's reasoning"]
    if not any(THOUGHT.search(sample.target) for sample in samples):
        return [f"the prompt ends with {OPENED}, and the targets reason nothing: the model learns to close it at once"]
    return []


# What would fit.

Change = Mapping[str, Any]
"""Keys of a recipe and their values."""


def _advice(chat: ChatFormat, samples: Sequence[Sample]) -> str:
    single = list(_changes(chat, samples))
    tried = [*single, *({**a, **b} for a, b in combinations(single, 2) if not a.keys() & b.keys())]
    for change in tried:
        if _fits_all(chat, samples, change):
            return "With this in the recipe it fits: " + ", ".join(
                f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in change.items()
            )
    return "Give a chat template that does: chat_template_path: FILE.jinja, or the name of a model that has one"


def _changes(chat: ChatFormat, samples: Sequence[Sample]) -> Iterator[Change]:
    if not chat.merge_system and any(sample.messages[0]["role"] == "system" for sample in samples):
        yield {"merge_system": True}
    template = chat.tokenizer.chat_template
    for switch in SWITCHES:
        if re.search(rf"\b{switch}\b", template):
            yield from ({"chat_template_kwargs": {**chat.arguments, switch: value}} for value in (False, True))
    yield from ({"chat_template_path": TRL + name} for name in _trained_instead(template))
    yield from ({"eos_token": token} for token in _endings(chat, samples))


def _trained_instead(template: str) -> Iterator[str]:
    """TRL's own version for training of a template that it knows."""
    for path in sorted(trl_templates().glob("*_training.jinja")):
        original = path.with_name(path.name.replace("_training", ""))
        if original.is_file() and original.read_text(encoding="utf-8") == template:
            yield path.stem


def _endings(chat: ChatFormat, samples: Sequence[Sample]) -> list[str]:
    """The special tokens that follow an answer in the template."""
    try:
        answered = chat.answered(samples[0].messages, "An answer.")
    except Unfit:
        return []
    special = set(chat.tokenizer.all_special_tokens) | {str(t) for t in chat.tokenizer.added_tokens_encoder}
    after = chat.tokenizer.convert_ids_to_tokens(chat.ids(answered.rpartition("An answer.")[2]))
    return [token for token in after if token in special]


def _fits_all(chat: ChatFormat, samples: Sequence[Sample], change: Change) -> bool:
    changed = _changed(chat, change)
    try:
        for sample in samples:
            _fit(changed, sample)
    except Unfit:
        return False
    return True


def _changed(chat: ChatFormat, change: Change) -> ChatFormat:
    tokenizer, ends = copy(chat.tokenizer), list(chat.ends)
    if name := change.get("chat_template_path"):
        tokenizer.chat_template = template_file(name).read_text(encoding="utf-8")
    if token := change.get("eos_token"):
        ends.append(tokenizer.convert_tokens_to_ids(token))
    merge_system = change.get("merge_system", chat.merge_system)
    return ChatFormat(tokenizer, change.get("chat_template_kwargs", chat.arguments), merge_system, ends)
