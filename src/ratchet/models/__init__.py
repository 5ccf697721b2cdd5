"""Model and tokenizer: from a checkpoint, from a configuration, or the tiny one that comes with the package."""

from ratchet.models.load import TINY, check_template, load_for_evaluation, load_tokenizer, locate
from ratchet.models.plain_text import PlainText

__all__ = ["PlainText", "TINY", "check_template", "load_for_evaluation", "load_tokenizer", "locate"]
