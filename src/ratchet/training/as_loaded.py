"""What a model says of itself, kept from what training changes in it.

TRL and transformers switch things in a model's configuration for their own use (no cache beside recomputed
activations, router logits for a loss), which a saved model would keep: it generates slowly, or not at all. And a
model's generation_config.json holds settings of its author's (a repetition penalty, forbidden n-grams), which
transformers takes for everything that a caller leaves open: rollouts and evaluations would be those of another policy
than the one that is trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelerate.utils import is_peft_model
from transformers import AutoConfig

from ratchet.models.sampling import neutral

SWITCHED = ("use_cache", "output_router_logits")
IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


class AsLoaded:
    """The configuration of a trainer's model as its folder has it.

    Args:
        path: the folder.
        published: repository and revision of the same model on the Hub, which an adapter is said to belong to: the
            folder is one of this machine.
    """

    def __init__(self, trainer: Any, path: str, published: tuple[str, str | None] | None = None):
        model = trainer.accelerator.unwrap_model(trainer.model)
        self.model = model
        if is_peft_model(model):
            self.model = model.get_base_model()
            for settings in model.peft_config.values() if published else ():
                settings.base_model_name_or_path, settings.revision = published
        self.config = self.model.config.get_text_config()
        own = AutoConfig.from_pretrained(path, trust_remote_code=False).get_text_config()
        self.switched = {name: getattr(own, name) for name in SWITCHED if hasattr(own, name)}
        if "output_router_logits" in self.switched:  # TRL asks for them in each call of its own
            self.config.output_router_logits = self.switched["output_router_logits"]
        self.generation = self.model.generation_config
        self.model.generation_config = neutral(self.generation)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Everything as it was loaded, while the model is saved; end tokens that training has set stay."""
        training = {name: getattr(self.config, name) for name in self.switched}
        generation = self.model.generation_config
        for name in IDS:
            setattr(self.generation, name, getattr(generation, name))
        self._set(self.switched)
        self.model.generation_config = self.generation
        try:
            yield
        finally:
            self._set(training)
            self.model.generation_config = generation

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self.config, name, value)
