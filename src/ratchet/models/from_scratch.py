"""A model that starts from nothing: a configuration, random weights, and a tokenizer trained on the task's own text.

For teaching, tests and debugging. The recipe says

    from_scratch:
      seed: 0
      vocab_size: 1024
      config: {model_type: qwen3, hidden_size: 128, num_hidden_layers: 4, num_attention_heads: 4, ...}

and gets a folder that loads with ``AutoModelForCausalLM.from_pretrained`` like any other.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PAD, USER, SYSTEM, ASSISTANT, END = "<|pad|>", "<|user|>", "<|system|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = (PAD, USER, SYSTEM, ASSISTANT, END)

# One mark before each turn, one after the assistant's. `generation` marks the tokens that assistant_only_loss trains.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'assistant' %}"
    "{{ '<|assistant|>' }}{% generation %}{{ message.content + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ '<|' + message.role + '|>' + message.content }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# How servers (`transformers serve`) read an answer; without it they take that of the architecture's best-known model.
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": ASSISTANT,
    "fields": {"content": {"close": END, "content": "text"}},
}

# A number with the space before it, an option's label with the line break before it, and "Answer:" are one piece each.
# So in "\nC) 42" the value follows its label directly, and in "= 42\nAnswer:" the label asked for follows the value:
# one attention head that looks a token back serves both. A model of this size learns to look an option up in 250 steps
# with these pieces, and not in 1,000 without.
PIECES = r"\n?Answer:|\n[A-J]\)| ?\d+| ?\p{L}+| ?[^\s\p{L}\d]|\s"


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> "PreTrainedTokenizerFast":
    """Train a byte-level BPE tokenizer with Ratchet's small chat template.

    Returns:
        A tokenizer that can encode any text, and whose ``eos_token`` ends the assistant's turn.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < len(alphabet) + len(SPECIAL_TOKENS):
        raise UserError(
            f"from_scratch.vocab_size: {vocab_size} is less than the {len(alphabet)} bytes and marks; use 512 or more"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, chat_template=CHAT_TEMPLATE, padding_side="left"
    )
    fast.response_template = RESPONSE_TEMPLATE
    return fast


def build_model(config: Mapping[str, Any], tokenizer: "PreTrainedTokenizerFast", seed: int) -> "PreTrainedModel":
    """Build a causal language model with random weights from the keys of its transformers configuration.

    Args:
        config: ``model_type`` and the fields of that model's configuration class; the vocabulary size and the special
            tokens are the tokenizer's.
        seed: of the random weights.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        **config,
    }
    try:
        settings = AutoConfig.for_model(**fields)
    except (TypeError, ValueError) as error:
        raise UserError(f"from_scratch.config: {error}") from None
    # transformers keeps a field that it does not know, so that a mistyped one would change nothing, silently.
    unknown = sorted(set(config) - {"model_type"} - set(settings.to_dict()))
    if unknown:
        raise UserError(f"from_scratch.config: {settings.model_type} has no field {', '.join(unknown)}")
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(settings)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def save_from_scratch(settings: Mapping[str, Any], texts: Iterable[str], folder: Path) -> None:
    """Train the tokenizer, draw the weights and write both into ``folder`` (see the module's docstring for keys)."""
    tokenizer = train_tokenizer(texts, settings["vocab_size"])
    model = build_model(settings["config"], tokenizer, settings["seed"])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
