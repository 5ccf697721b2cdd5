"""What can be wrong with a teacher that is another model, found before anything is loaded."""

from collections.abc import Mapping
from typing import Any

from ratchet.errors import UserError
from ratchet.models import locate
from ratchet.models.folder import check_folder, check_weights
from ratchet.models.load import load_tokenizer
from ratchet.recipe.distillation import OWN, is_server
from ratchet.recipe.groups import Distillation

KEY = "distillation.teacher"


def check_teacher(settings: Distillation | None, tokenizer: Any) -> None:
    """Make sure that a teacher's folder is whole, and that its tokens are the student's.

    Raises:
        UserError: saying what is wrong with it.
    """
    if settings is None or settings.teacher in OWN or is_server(settings.teacher):
        return
    try:
        path = locate(settings.teacher)
        check_folder(path)
        check_weights(path)
        other = load_tokenizer(path)
    except UserError as error:
        raise UserError(f"{KEY}: {str(error).removeprefix('model_name_or_path: ')}") from None
    if other.get_vocab() != tokenizer.get_vocab():
        raise UserError(
            f"{KEY}: {settings.teacher} has another tokenizer than the student "
            f"({_difference(tokenizer.get_vocab(), other.get_vocab())}), so it cannot score the student's tokens; "
            "take a teacher of the same family, or let it write samples: ratchet sample --model"
        )


def _difference(own: Mapping[str, int], other: Mapping[str, int]) -> str:
    if len(own) != len(other):
        return f"{len(other)} tokens instead of {len(own)}"
    token = min(token for token in own if other.get(token) != own[token])
    return f"{token!r} is number {other.get(token, 'none')} there, and {own[token]} here"
