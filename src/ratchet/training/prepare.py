"""Everything that a trainer is built from, each thing checked before the next; the weights are not loaded yet."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase, TrainingArguments
from trl import ModelConfig

from ratchet.checkpoints.resume import Start
from ratchet.models import ChatFormat, chat_format, locate_of
from ratchet.models.adapters import INITIAL_MODEL, adapter_settings, base_of, save_merged
from ratchet.models.folder import check_folder, check_weights, on_hub
from ratchet.models.from_scratch import save_from_scratch
from ratchet.models.load import position_limit
from ratchet.recipe import Recipe
from ratchet.runtime import main_process
from ratchet.tasks import load_split
from ratchet.training.dataset import Prepared, Written, read_rows, write_rows
from ratchet.training.distillation.check import check_teacher
from ratchet.training.output_folder import has_initial_model, makes_its_model, publish_output, staging


@dataclass
class Run:
    """What a run has gathered when its trainer is built."""

    recipe: Recipe
    arguments: TrainingArguments
    """TRL's configuration object."""
    model_arguments: ModelConfig
    model_path: str
    chat: ChatFormat
    """The tokenizer, and how prompts are written with it."""
    data: Prepared
    start: Start
    """What the run resumes from."""
    adapter: str | None = None
    """The folder of the adapter that training goes on with."""
    published: tuple[str, str | None] | None = None
    """Repository and revision of the model on the Hub that ``model_path`` was fetched from."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Of the model, with the recipe's chat template and end token."""
        return self.chat.tokenizer


def prepare(recipe: Recipe, arguments: TrainingArguments, model_arguments: ModelConfig, start: Start) -> Run:
    """Find the model's folder, load its tokenizer, write the rows, and turn the staging folder into the output folder.

    Raises:
        UserError: for a model, a chat template or rows that cannot be trained on.
    """
    makes = makes_its_model(recipe)
    path = _model_path(recipe, start, makes)
    base, adapter = base_of(path), path if adapter_settings(path) is not None else None
    trusted = bool(recipe.values.get("trust_remote_code"))
    if main_process() and not makes:
        check_folder(base)
        check_weights(base)
    chat = chat_format(recipe.values, path, trusted)
    if main_process():
        check_teacher(recipe.distillation, chat.tokenizer)
    limit = recipe.method.token_limit(recipe.get, position_limit(base))
    written = write_rows(recipe, chat, limit, staging(recipe) / "data") if main_process() else Written()
    if main_process():
        publish_output(recipe, start, written.sha256)
    data = read_rows(recipe, chat, limit, written)
    if makes:
        base = str(recipe.output_dir / INITIAL_MODEL)
    arguments.eval_on_start = recipe.evaluation.before and start.checkpoint is None
    own = recipe.values.get("model_name_or_path")
    published = on_hub(own, recipe.values.get("model_revision")) if not (makes or adapter) else None
    return Run(recipe, arguments, model_arguments, base, chat, data, start, adapter, published)


def _model_path(recipe: Recipe, start: Start, makes: bool) -> str:
    if not makes:
        return locate_of(recipe.values)
    here = recipe.output_dir if has_initial_model(recipe, start) else staging(recipe)
    return str(here / INITIAL_MODEL)


def build_initial_model(recipe: Recipe) -> None:
    """Make a model with random weights and a tokenizer trained on the task's rows, or a merged one, in the staging
    folder."""
    if recipe.from_scratch is None:
        save_merged(locate_of(recipe.values), staging(recipe) / INITIAL_MODEL)
        return
    task = recipe.task
    rows = load_split(task).rows
    texts = ("\n".join([*(m["content"] for m in task.messages(row)), task.target(row)]) for row in rows)
    save_from_scratch(vars(recipe.from_scratch), texts, staging(recipe) / INITIAL_MODEL)
