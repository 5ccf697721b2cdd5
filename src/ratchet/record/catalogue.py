"""Every figure that a run shows, defined once, in ``metrics.yaml``: formula, unit, and how to read it.

``docs/metrics.md`` is that file as a page (``python -m ratchet.record.catalogue > docs/metrics.md``), and the report
takes its bands and its advice from here.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

# The phases that a step's seconds are charged to, in the order in which they are shown; together they are all of them.
PHASES = ("rollout", "weight_sync", "reward", "teacher", "training", "diagnostics", "logging", "checkpoint")
CADENCES = {
    "log": "at every log, over the steps since the last one; what is known at a generation (rewards, lengths, "
    "answers) where there was one",
    "probe": "at the logs after a probe (every `diagnostics.every` steps, the first before training, and the last "
    "step)",
    "evaluation": "at every evaluation",
}


@dataclass(frozen=True)
class Metric:
    """One figure, or a family of them where ``<i>``, ``<letter>``, ``<phase>`` or ``<k>`` stands in the name."""

    name: str
    title: str
    formula: str
    group: str
    unit: str = ""
    when: str = "log"
    healthy: str = ""
    red_flag: str = ""
    remedy: str = ""
    band: tuple[float, ...] = ()
    """Lowest and highest healthy value, where these hold for any model."""

    def reading(self) -> list[tuple[str, str]]:
        """How to read it: headings with their sentences, where there is something to say."""
        headings = (("Healthy", self.healthy), ("Red flag", self.red_flag), ("Remedy", self.remedy))
        return [(heading, text) for heading, text in headings if text and text != "see there"]


def _read() -> tuple[Metric, ...]:
    groups = yaml.safe_load(Path(__file__).with_name("metrics.yaml").read_text(encoding="utf-8"))
    metrics = []
    for group, entries in groups.items():
        for entry in entries:
            band = tuple(entry.get("band", ()))
            metrics.append(Metric(**{"group": group, **entry, "band": band}))
    return tuple(metrics)


METRICS = _read()
# Ratchet's own names. All others are TRL's and transformers', which reach trackers as these rename them (train/loss).
_OWN = (
    "rl/",
    "rollout/",
    "advantages/",
    "policy/",
    "tokens/",
    "attn/",
    "grad/",
    "weights/",
    "eval/",
    "distributed/",
    "time/",
    "memory/",
    "curriculum/",
    "lean/",
    "distill/",
    "faults/",
)


def is_own(name: str) -> bool:
    """Whether a logged figure is one of these, and keeps its name everywhere."""
    return name.startswith(_OWN)


def find(name: str) -> Metric | None:
    """The definition of a logged figure; of an interval's end or a slowest process, that of the figure itself.

    >>> find("grad/layer/3").title, find("eval/pass@4_low").name, find("eval_loss")
    ('gradient of layer <i>', 'eval/pass@<k>', None)
    """
    for candidate in (name, re.sub(r"_(?:low|high|min|max)$", "", name)):
        fitting = [metric for metric in METRICS if re.fullmatch(_pattern(metric), candidate)]
        # time/step also fits time/<phase>: a definition under the very name comes first.
        exact = [metric for metric in fitting if metric.name == candidate]
        if fitting:
            return (exact or fitting)[0]
    return None


def _pattern(metric: Metric) -> str:
    return re.sub(r"<\w+>", "[^/]+", metric.name)


def page() -> str:
    """The catalogue as Markdown."""
    lines = [_HEAD, "", *(f"- **{name}**: {text}" for name, text in CADENCES.items())]
    group = None
    for metric in METRICS:
        if metric.group != group:
            group = metric.group
            lines += ["", f"## {group}"]
        lines += ["", *_entry(metric)]
    return "\n".join([*lines, "", "## More than numbers", "", _ARTIFACTS])


def _entry(metric: Metric) -> list[str]:
    unit = f" [{metric.unit}]" if metric.unit else ""
    lines = [f"**`{metric.name}`** {metric.title}{unit}, {metric.when}", f": {metric.formula}."]
    reading = [f"{heading}: {text}." for heading, text in metric.reading()]
    return [*lines, " ".join(reading)] if reading else lines


_HEAD = """# What a run shows

Written by `python -m ratchet.record.catalogue > docs/metrics.md` from `src/ratchet/record/metrics.yaml`.

These names stand, exactly so, in `trainer_state.json`, in `diagnostics/log.jsonl` of the run's folder, in W&B,
Trackio and TensorBoard. What TRL and transformers log besides keeps their names (`loss`, `kl`,
`completions/mean_length`, ...), which trackers show as `train/loss`. Figures are over all processes. Where one cannot
be had (weights or gradients split by ZeRO-3, DeepSpeed or FSDP, no token for a letter), the run says so in one line,
and it is absent."""

_ARTIFACTS = """Histograms of rewards, lengths, advantages, margins and distances; sampled completions with grade,
reward and advantage (a table); gold against committed letters; heat maps of attention (`diagnostics.heat_maps`, the
last 64 tokens of one row); last hidden states of some fixed rows, for the embedding trajectory. They are in the run's
`diagnostics/` folder (`src/ratchet/record/records.py` describes the files); W&B, Trackio and TensorBoard get them as
histograms and tables where they have such."""

if __name__ == "__main__":
    print(page())
