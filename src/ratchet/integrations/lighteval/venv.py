"""lighteval's own Python environment, made once."""

from pathlib import Path

from ratchet.integrations.environment import Environment

LIGHTEVAL = Environment(
    "lighteval",
    "RATCHET_LIGHTEVAL_ENVIRONMENT",
    "about 2 GB",
    [
        [
            *("torch==2.13.0", "transformers==5.23.0", "datasets==5.2.0", "lighteval==0.13.0"),
            # huggingface_hub 2 breaks lighteval 0.13 at its start, xxhash 4 at its end.
            *("huggingface_hub<2", "xxhash<4"),
            # What Ratchet's own tasks need.
            *("ftfy>=6.2", "psutil>=5.9", "pyyaml>=6.0", "sacrebleu>=2.5"),
        ]
    ],
)


def python() -> Path:
    """The interpreter with lighteval; the environment is made where there is none yet.

    Raises:
        UserError: where it cannot be made.
    """
    return LIGHTEVAL.python()
