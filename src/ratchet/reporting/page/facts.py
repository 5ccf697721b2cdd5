"""What a report says about a run, from its folder alone: result, alarms, time, cost, and the commands to type next."""

import shlex
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ratchet.evaluation.statistics import Share, mcnemar
from ratchet.program import program
from ratchet.recipe.method import recorded_method
from ratchet.record.catalogue import PHASES
from ratchet.record.run_data import RunData
from ratchet.record.shapes import SHARE, fits
from ratchet.runtime import duration


@dataclass
class Facts:
    """Everything that the page says in words and tables; both of its forms are written from this."""

    verdict: str
    results: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Rows of: what, value, 95 % interval, n."""
    alarms: list[str] = field(default_factory=list)
    seconds: list[tuple[str, float, float]] = field(default_factory=list)
    """Phase, seconds in all, share."""
    totals: list[tuple[str, str]] = field(default_factory=list)
    audit: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Rows of: policy, kind, mean reward, graded correct."""
    audit_findings: list[str] = field(default_factory=list)
    audit_head: str = ""
    about: list[tuple[str, str]] = field(default_factory=list)
    commands: list[tuple[str, str]] = field(default_factory=list)
    """What it does, what to type."""


def gather(run: RunData) -> Facts:
    """All of it; what is not there is left out."""
    seconds = _seconds(run)
    total = sum(seconds.values())
    total = total if isfinite(total) else 0.0  # a logged value was no time
    return Facts(
        verdict=_verdict(run),
        results=_results(run),
        alarms=_alarms(run),
        seconds=_shares(seconds, total),
        totals=_totals(run, total),
        audit_head=_audit_head(run),
        audit=_audit_rows(run),
        audit_findings=_audit_findings(run),
        about=_about(run),
        commands=_commands(run),
    )


# Results.


def _ends(run: RunData) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The evaluation before training, and the newest after some."""
    before = next((entry for entry in run.evaluations if entry["step"] == 0), None)
    after = next((entry for entry in reversed(run.evaluations) if entry["step"] > 0), None)
    return before, after


def _verdict(run: RunData) -> str:
    """The result in a sentence; only an interval that lies above the majority's share is called clearly above it."""
    before, after = _ends(run)
    last = after or before
    if last is None:
        end = " yet." if run.status == "running" else "."
        return f"The run is {run.status} at step {run.step}; nothing was evaluated{end}"
    now = Share.of(last)
    text = f"{now.accuracy:.3f} of the {now.n} {last['split']} answers are right"
    if before and after:
        text = (
            f"Accuracy on {now.n} {last['split']} rows went from {before['accuracy']:.3f} to {now.accuracy:.3f}"
            f"{_paired(before, after)}"
        )
    clear = "clearly above" if now.low > last["majority"] else "not clearly above"
    return f"{text}, {clear} always giving the commonest answer ({last['majority']:.3f})."


def _paired(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Whether the change could be chance: McNemar's test, where both were of the same, independent rows."""
    first, second = before.get("outcomes") or {}, after.get("outcomes") or {}
    if not first or first.keys() != second.keys() or after.get("clusters"):
        return ""
    p = mcnemar([*first.values()], [second[key] for key in first])["p"]
    return f" (McNemar p = {p:.2g})"


def _results(run: RunData) -> list[tuple[str, str, str, str]]:
    before, after = _ends(run)
    rows = _evaluation("before training", before)
    rows += _evaluation(f"after {after['step']} steps" if after else "", after)
    for who, share in (run.result.get("distillation") or {}).items():
        if fits(share, SHARE):
            rows.append(_result(f"accuracy of the {who}, before training", Share.of(share)))
    last = after or before
    if last:
        rows.append(("always the commonest answer", f"{last['majority']:.3f}", "", ""))
        for name, share in (last.get("tasks") or {}).items():
            rows.append((f"always the commonest answer, {name}", f"{share['majority']:.3f}", "", ""))
        if last.get("chance"):
            rows.append(("guessing", f"{last['chance']:.3f}", "", ""))
    if not run.evaluations:  # an older run, whose evaluations were not kept
        for part in ("before", "after"):
            if fits(run.result.get(part), SHARE):
                rows.append(_result(f"accuracy {part} training", Share.of(run.result[part])))
    return rows


def _evaluation(title: str, entry: dict[str, Any] | None) -> list[tuple[str, str, str, str]]:
    if not entry:
        return []
    rows = [_result(f"accuracy {title}", Share.of(entry))]
    for name, share in (entry.get("tasks") or {}).items():
        rows.append(_result(f"accuracy {title}, {name}", Share.of(share)))
    for k, share in (entry.get("pass_at_k") or {}).items():
        rows.append(_result(f"pass@{k} {title}", Share.of(share)))
    return rows


def _result(title: str, share: Share) -> tuple[str, str, str, str]:
    return title, f"{share.accuracy:.3f}", f"{share.low:.3f} to {share.high:.3f}", share.counted


def _alarms(run: RunData) -> list[str]:
    if run.alarms:
        return [entry["text"] for entry in run.alarms]
    return [f"{name}: {text}" for name, text in (run.result.get("alarms") or {}).items()]


# Time.


def _seconds(run: RunData) -> dict[str, float]:
    """Seconds over the run by phase: each logged mean times the steps it stands for; the rest is what no step has."""
    sums = dict.fromkeys(PHASES, 0.0)
    for phase in PHASES:
        before = 0
        for step, each in zip(*run.series(f"time/{phase}"), strict=True):
            sums[phase] += (step - before) * each
            before = step
    rest = (run.result.get("seconds") or 0.0) - sum(sums.values())
    return {**sums, "start-up, evaluation, saving": rest} if rest > 0 else sums


def _shares(seconds: dict[str, float], total: float) -> list[tuple[str, float, float]]:
    """Phases with their seconds and shares, the longest first."""
    if total <= 0:
        return []
    spent = sorted(((phase, value) for phase, value in seconds.items() if value > 0), key=lambda pair: -pair[1])
    return [(phase.replace("_", " "), value, value / total) for phase, value in spent]


def _totals(run: RunData, seconds: float) -> list[tuple[str, str]]:
    totals = [("optimiser steps", f"{run.step:,}")]
    tokens = run.series("num_tokens")[1]
    if tokens:
        totals.append(("tokens (prompts and completions)", f"{tokens[-1]:,.0f}"))
    if seconds > 0:
        totals.append(("time", duration(seconds)))
        speeds = run.series("time/tokens_per_second")[1]
        if speeds:
            totals.append(("tokens per second, median of logs", f"{sorted(speeds)[len(speeds) // 2]:,.0f}"))
    memory = run.series("memory/peak_gib")[1]
    if memory:
        totals.append(("peak memory of the fullest process", f"{memory[-1]:.2f} GiB"))
    settings = run.recipe.get("report") if isinstance(run.recipe.get("report"), dict) else {}
    price, currency = settings.get("price_per_hour"), settings.get("currency", "USD")
    if fits(price, (int, float)) and seconds > 0:
        totals.append((f"cost at {price} {currency} an hour", f"{seconds / 3600 * price:.2f} {currency}"))
    return totals


# The audit of the reward.

# Kind of policy, how it is called here, and how many of the best are shown.
_POLICIES = (("gold", "right", 3), ("ignorant", "knows nothing", 5), ("hack", "hack", 5))


def _audit_head(run: RunData) -> str:
    audit = run.audit
    if not audit:
        method = recorded_method(run.recipe)
        return f"There was none: {method.title} has no reward." if method and not method.rewarded else ""
    mode = audit.get("mode")
    if mode == "off":
        return "Switched off by the recipe (audit: off): nobody looked whether the reward can be cheated."
    return (
        f"{audit.get('scores')} answers of fixed policies to {audit.get('rows')} training rows, before training "
        f"(mode {mode})."
    )


def _audit_rows(run: RunData) -> list[tuple[str, str, str, str]]:
    if run.audit.get("mode") == "off":
        return []
    policies = run.audit.get("policies") or []
    rows = []
    for kind, words, count in _POLICIES:
        best = [policy for policy in policies if policy["kind"] == kind][:count]
        rows += [(p["policy"], words, f"{p['reward']:.3f}", f"{p['correct']:.3f}") for p in best]
    return rows


def _audit_findings(run: RunData) -> list[str]:
    if run.audit.get("mode") == "off":
        return []
    findings = run.audit.get("findings") or []
    return [f"{finding['name']} ({_state(finding)}): {finding['text']}" for finding in findings]


def _state(finding: dict[str, Any]) -> str:
    if finding["fails"]:
        return "fails"
    return f"accepted: {finding['accepted']}" if finding.get("accepted") else "note"


# What was run.


def _about(run: RunData) -> list[tuple[str, str]]:
    recipe = run.recipe
    rows = [
        ("trainer", recipe.get("trainer")),
        ("task", recipe.get("task")),
        ("model", recipe.get("model_name_or_path") or ("random weights" if recipe.get("from_scratch") else None)),
        ("status", f"{run.status}, step {run.step}"),
    ]
    if run.about:
        rows += _provenance(run.about)
    return [(title, str(value)) for title, value in rows if value not in (None, "")]


def _provenance(about: dict[str, Any]) -> list[tuple[str, Any]]:
    data, size = about.get("data", {}), about.get("model", {})
    return [
        ("started", about.get("started")),
        ("command", about.get("command")),
        ("commit", about.get("commit") or "not in a repository"),
        ("parameters", f"{size.get('parameters', 0):,}, of which {size.get('trained', 0):,} are trained"),
        ("training rows", f"{data.get('rows', 0):,}, SHA-256 {data.get('sha256')}"),
        *(("", note) for note in data.get("notes") or []),
        ("processes", f"{about.get('processes')} ({about.get('distributed')})"),
        ("hardware", _machine(about.get("hardware", {}))),
        ("versions", ", ".join(f"{name} {number}" for name, number in about.get("versions", {}).items())),
        *(("left out", note) for note in about.get("left_out") or []),
    ]


def _machine(hardware: dict[str, Any]) -> str:
    parts = [f"{hardware.get('cores')} cores", f"{hardware.get('memory_gib')} GiB", str(hardware.get("machine"))]
    gpus = hardware.get("gpus") or []
    return ", ".join([*parts, *(f"{gpus.count(name)} x {name}" for name in dict.fromkeys(gpus))])


# What to type next.


def _commands(run: RunData) -> list[tuple[str, str]]:
    method = recorded_method(run.recipe)
    if method is None:
        return []
    folder, start = shlex.quote(str(run.folder)), program()
    commands = [_train(run, method.script, folder)]
    model = _model(run)
    if model is not None:
        commands += [
            ("evaluate it", f"{start} evaluate {folder}/recipe.yaml --model {model} --evaluation.samples 8"),
            ("ask it something", f"{start} chat {model}"),
            ("publish it", f"{start} push {folder} --repo YOUR-NAME/{run.name}"),
        ]
    return [*commands, ("draw this page again", f"{start} report {folder}")]


def _train(run: RunData, script: str, folder: str) -> tuple[str, str]:
    """How to resume a run that was stopped, or to run it again."""
    launch = run.about.get("launcher", "python")
    train = f"{program()} {script}" if launch == "python" else f"{launch} scripts/{script}.py"
    saved = run.checkpoints()
    if saved and run.status != "finished":
        step, checkpoint = saved[-1].name.split("-")[-1], shlex.quote(str(saved[-1]))
        return f"resume from step {step}", f"{train} {folder}/recipe.yaml --resume_from_checkpoint {checkpoint}"
    why = "" if run.status == "finished" else " (no checkpoint was saved)"
    return f"run it again{why}", f"{train} {folder}/recipe.yaml"


def _model(run: RunData) -> str | None:
    """The folder of the newest weights: the run's own where it saved its model, else a checkpoint's."""
    if any((run.folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        return shlex.quote(str(run.folder))
    saved = run.checkpoints()
    return shlex.quote(str(saved[-1])) if saved else None
