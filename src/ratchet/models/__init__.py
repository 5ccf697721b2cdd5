"""Model and tokenizer: from a checkpoint, from a configuration, or the tiny one that comes with the package."""

from ratchet.models.chat_format import ChatFormat, chat_format
from ratchet.models.load import TINY, load_for_evaluation, load_tokenizer, locate
from ratchet.models.plain_text import PlainText

__all__ = ["ChatFormat", "PlainText", "TINY", "chat_format", "load_for_evaluation", "load_tokenizer", "locate"]
