"""One prompt: what a recipe's keys say about rendering holds for SFT, GRPO, evaluation and chat, token by token."""

import pytest
import yaml

from ratchet.checkpoints.resume import Start
from ratchet.inference.policy import Policy
from ratchet.models import chat_format, locate
from ratchet.recipe import load_recipe

# A template with a switch, and without a turn for the system.
TEMPLATE = """
{%- for m in messages -%}
{%- if m.role == "system" -%}{{ raise_exception("no system here") }}{%- endif -%}
<|{{ m.role }}|>{{ m.content }}<|end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""
SWITCHED = TEMPLATE.replace("<|{{ m.role }}|>{{", "<|{{ m.role }}|>{% if m.role == 'user' %}{{ mood }} {% endif %}{{")
TASK = """
from ratchet.tasks import Grade, Split, Task


class Echo(Task):
    name = "echo"
    system_prompt = "Say it again."

    def load(self, split):
        return Split([{"id": f"{split}-{i}", "n": i} for i in range(40)])

    def messages(self, row):
        user = {"role": "user", "content": f"a <|end|> {row['n']}"}
        return [{"role": "system", "content": self.system_prompt}, user]

    def target(self, row):
        return f"word {row['n']}"

    def gold(self, row):
        return self.target(row)

    def grade(self, completion, row):
        return Grade(completion == self.target(row), completion or None)
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Writes and reads the recipe for a trainer."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo.py").write_text(TASK)
    (tmp_path / "switched.jinja").write_text(SWITCHED)

    def make(trainer: str, **more):
        values = {
            **{"trainer": trainer, "task": "echo.py", "model_name_or_path": "ratchet-tiny", "use_cpu": True},
            **{"chat_template_path": "switched.jinja", "chat_template_kwargs": {"mood": "kindly"}},
            **{"merge_system": True, "max_steps": 1, "per_device_train_batch_size": 4, "report_to": "none"},
            **{"output_dir": "out", "evaluation": {"after": False}, "diagnostics": "off", "audit": "off"},
        }
        if trainer == "grpo":
            values |= {"num_generations": 4, "rewards": {"correctness": {"weight": 1.0}}, "max_completion_length": 8}
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**values, **more}))
        return load_recipe(tmp_path / "recipe.yaml", environ={})

    return make


@pytest.fixture
def trainer(recipe):
    """Builds the trainer of a run as far as its first step."""
    from ratchet.training.arguments import make_arguments
    from ratchet.training.output_folder import open_staging
    from ratchet.training.prepare import prepare
    from ratchet.training.services import RunServices
    from ratchet.training.trainers.build import build_trainer

    made = []

    def build(kind: str, **more):
        checked = recipe(kind, **more)
        arguments, model_arguments = make_arguments(checked)
        open_staging(checked)
        run = prepare(checked, arguments, model_arguments, Start())
        services = RunServices(run, 0.0)
        made.append(services)
        return build_trainer(run, services)

    yield build
    for services in made:
        services.close()


def expected(recipe) -> list[list[int]]:
    chat = chat_format(recipe.values, locate("ratchet-tiny"))
    prompts = [chat.prompt(recipe.task.messages(row)) for row in recipe.task.load("train").rows]
    assert prompts[3] == "<|user|>kindly Say it again.\n\na <\u2060|end|> 3<|end|><|assistant|>"
    return [chat.ids(prompt) for prompt in prompts]


def test_sft_trains_on_the_prompt(recipe, trainer):
    rows = trainer("sft").train_dataset
    found = [[t for t, label in zip(r["input_ids"], r["labels"], strict=True) if label == -100] for r in rows]
    assert found == expected(recipe("sft"))


def test_grpo_samples_after_the_prompt(recipe, trainer):
    made = trainer("grpo")
    ids, *_ = made._tokenize_prompts(list(made.train_dataset["prompt"]))
    assert ids == expected(recipe("grpo"))


def test_chat_and_evaluation_ask_with_the_prompt(recipe):
    policy = Policy.load("ratchet-tiny", "echo.py", [*_keys(recipe("grpo"))])
    rows = policy.rows("train")
    assert [policy.chat.ids(policy.chat.prompt(policy.task.messages(row))) for row in rows] == expected(recipe("grpo"))


def _keys(recipe):
    yield "chat_template_path", recipe.values["chat_template_path"]
    yield "chat_template_kwargs.mood", "kindly"
    yield "merge_system", "true"


def test_an_end_that_the_recipe_names_is_saved_with_the_model(trainer):
    made = trainer("grpo", eos_token="<|user|>")
    ends = made.model.generation_config.eos_token_id
    assert made.processing_class.convert_tokens_to_ids("<|user|>") in ends
    assert made.processing_class.convert_tokens_to_ids("<|end|>") in ends
