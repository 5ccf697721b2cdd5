"""Model and tokenizer: from a checkpoint, from a configuration, or the tiny one that comes with the package."""

from ratchet.models.chat_format import ChatFormat, chat_format
from ratchet.models.folder import TINY, locate, locate_of
from ratchet.models.load import load_for_evaluation, load_tokenizer
from ratchet.models.plain_text import PlainText

__all__ = [
    "TINY",
    "ChatFormat",
    "PlainText",
    "chat_format",
    "load_for_evaluation",
    "load_tokenizer",
    "locate",
    "locate_of",
]
