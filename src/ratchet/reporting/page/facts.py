"""What a report says about a run, from its folder alone: result, alarms, time, cost, and the commands to type next."""

import shlex
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ratchet.evaluation.statistics import Share, mcnemar
from ratchet.record.catalogue import PHASES
from ratchet.record.run_data import RunData
from ratchet.record.shapes import SHARE, fits
from ratchet.runtime import duration


@dataclass
class Facts:
    """Everything that is said in words and tables."""

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
    found = Facts(_verdict(run))
    _results(run, found)
    found.alarms = [entry["text"] for entry in run.alarms] or [
        f"{name}: {text}" for name, text in (run.result.get("alarms") or {}).items()
    ]
    _time(run, found)
    _audit(run, found)
    _about(run, found)
    _commands(run, found)
    return found


def _ends(run: RunData) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The evaluation before training, and the newest after some."""
    before = next((entry for entry in run.evaluations if entry["step"] == 0), None)
    after = next((entry for entry in reversed(run.evaluations) if entry["step"] > 0), None)
    return before, after


def _share(entry: dict[str, Any]) -> Share:
    return Share(entry["accuracy"], entry["low"], entry["high"], entry["n"])


def _verdict(run: RunData) -> str:
    before, after = _ends(run)
    last = after or before
    if last is None:
        return f"The run is {run.status} at step {run.step}; nothing was evaluated" + (
            " yet." if run.status == "running" else "."
        )
    now, split = _share(last), last["split"]
    text = f"{now.accuracy:.3f} of the {now.n} {split} answers are right"
    if before and after:
        text = f"Accuracy on {now.n} {split} rows went from {before['accuracy']:.3f} to {now.accuracy:.3f}"
        paired = _paired(before, after)
        text += f" (McNemar p = {paired['p']:.2g})" if paired else ""
    clear = "clearly above" if now.low > last["majority"] else "not clearly above"
    return f"{text}, {clear} always giving the commonest answer ({last['majority']:.3f})."


def _paired(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any] | None:
    first, second = before.get("outcomes") or {}, after.get("outcomes") or {}
    if not first or first.keys() != second.keys():
        return None
    return mcnemar([*first.values()], [second[key] for key in first])


def _results(run: RunData, found: Facts) -> None:
    before, after = _ends(run)
    for title, entry in (("before training", before), (f"after {after['step']} steps" if after else "", after)):
        if not entry:
            continue
        rows = [
            ("accuracy", _share(entry)),
            *((f"pass@{k}", Share(**share)) for k, share in entry.get("pass_at_k", {}).items()),
        ]
        for name, share in rows:
            found.results.append(
                (f"{name} {title}", f"{share.accuracy:.3f}", f"{share.low:.3f} to {share.high:.3f}", str(share.n))
            )
    last = after or before
    if last:
        found.results.append(("always the commonest answer", f"{last['majority']:.3f}", "", ""))
        if last.get("chance"):
            found.results.append(("guessing", f"{last['chance']:.3f}", "", ""))
    for part in ("before", "after"):  # an older run, whose evaluations were not kept
        if not run.evaluations and fits(run.result.get(part), SHARE):
            share = _share(run.result[part])
            found.results.append(
                (
                    f"accuracy {part} training",
                    f"{share.accuracy:.3f}",
                    f"{share.low:.3f} to {share.high:.3f}",
                    str(share.n),
                )
            )


def _time(run: RunData, found: Facts) -> None:
    """Totals over the run: each logged mean times the steps it stands for."""
    sums = dict.fromkeys(PHASES, 0.0)
    for phase in PHASES:
        before = 0
        for step, each in zip(*run.series(f"time/{phase}"), strict=True):
            sums[phase] += (step - before) * each
            before = step
    whole = run.result.get("seconds")
    rest = (whole or 0.0) - sum(sums.values())
    if rest > 0:
        sums["start-up, evaluation, saving"] = rest
    total = sum(sums.values())
    total = total if isfinite(total) else 0.0  # a logged value was no time
    if total > 0:
        found.seconds = [
            (phase.replace("_", " "), value, value / total)
            for phase, value in sorted(sums.items(), key=lambda item: -item[1])
            if value > 0
        ]
    tokens = run.series("num_tokens")[1]
    found.totals.append(("optimiser steps", f"{run.step:,}"))
    if tokens:
        found.totals.append(("tokens (prompts and completions)", f"{tokens[-1]:,.0f}"))
    if total > 0:
        found.totals.append(("time", duration(total)))
        speeds = run.series("time/tokens_per_second")[1]
        if speeds:
            found.totals.append(("tokens per second, median of logs", f"{sorted(speeds)[len(speeds) // 2]:,.0f}"))
    memory = run.series("memory/peak_gib")[1]
    if memory:
        found.totals.append(("peak memory of the fullest process", f"{memory[-1]:.2f} GiB"))
    settings = run.recipe.get("report") if isinstance(run.recipe.get("report"), dict) else {}
    price, currency = settings.get("price_per_hour"), settings.get("currency", "USD")
    if fits(price, (int, float)) and total > 0:
        found.totals.append((f"cost at {price} {currency} an hour", f"{total / 3600 * price:.2f} {currency}"))


def _audit(run: RunData, found: Facts) -> None:
    audit = run.audit
    if not audit:
        found.audit_head = (
            "There was none: supervised fine-tuning has no reward." if run.recipe.get("trainer") == "sft" else ""
        )
        return
    if audit.get("mode") == "off":
        found.audit_head = "Switched off by the recipe (audit: off): nobody looked whether the reward can be cheated."
        return
    found.audit_head = f"{audit.get('scores')} answers of fixed policies to {audit.get('rows')} training rows, before training (mode {audit.get('mode')})."
    for kind, words, count in (("gold", "right", 3), ("ignorant", "knows nothing", 5), ("hack", "hack", 5)):
        best = [policy for policy in audit.get("policies") or [] if policy["kind"] == kind][:count]
        found.audit += [(p["policy"], words, f"{p['reward']:.3f}", f"{p['correct']:.3f}") for p in best]
    for finding in audit.get("findings") or []:
        state = (
            "fails" if finding["fails"] else f"accepted: {finding['accepted']}" if finding.get("accepted") else "note"
        )
        found.audit_findings.append(f"{finding['name']} ({state}): {finding['text']}")


def _about(run: RunData, found: Facts) -> None:
    about, recipe = run.about, run.recipe
    model = recipe.get("model_name_or_path") or ("random weights" if recipe.get("from_scratch") else None)
    rows = [
        ("trainer", recipe.get("trainer")),
        ("task", recipe.get("task")),
        ("model", model),
        ("status", f"{run.status}, step {run.step}"),
    ]
    if about:
        data, size, hardware = about.get("data", {}), about.get("model", {}), about.get("hardware", {})
        machine = ", ".join(
            [
                f"{hardware.get('cores')} cores",
                f"{hardware.get('memory_gib')} GiB",
                str(hardware.get("machine")),
                *_counted(hardware.get("gpus", [])),
            ]
        )
        rows += [
            ("started", about.get("started")),
            ("command", about.get("command")),
            ("commit", about.get("commit") or "not in a repository"),
            ("parameters", f"{size.get('parameters', 0):,}, of which {size.get('trained', 0):,} are trained"),
            ("training rows", f"{data.get('rows', 0):,}, SHA-256 {data.get('sha256')}"),
            *(("", note) for note in data.get("notes") or []),
            ("processes", f"{about.get('processes')} ({about.get('distributed')})"),
            ("hardware", machine),
            ("versions", ", ".join(f"{name} {number}" for name, number in about.get("versions", {}).items())),
            *(("left out", note) for note in about.get("left_out") or []),
        ]
    found.about = [(title, str(value)) for title, value in rows if value not in (None, "")]


def _counted(names: list[str]) -> list[str]:
    return [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]


def _commands(run: RunData, found: Facts) -> None:
    folder, trainer = shlex.quote(str(run.folder)), run.recipe.get("trainer", "grpo")
    if not run.recipe:
        return
    launch = run.about.get("launcher", "python")
    saved = run.checkpoints()
    if saved and run.status != "finished":
        found.commands.append(
            (
                f"go on from step {saved[-1].name.split('-')[-1]}",
                f"{launch} scripts/{trainer}.py {folder}/recipe.yaml --resume_from_checkpoint {shlex.quote(str(saved[-1]))}",
            )
        )
    else:
        why = "" if run.status == "finished" else " (no checkpoint was saved)"
        found.commands.append((f"run it again{why}", f"{launch} scripts/{trainer}.py {folder}/recipe.yaml"))
    model = (
        folder
        if (run.folder / "config.json").is_file() or (run.folder / "adapter_config.json").is_file()
        else shlex.quote(str(saved[-1]))
        if saved
        else None
    )
    if model:
        found.commands += [
            ("evaluate it", f"python scripts/evaluate.py {folder}/recipe.yaml --model {model} --evaluation.samples 8"),
            ("ask it something", f"python scripts/chat.py {model}"),
            (
                "publish it",
                f'hf upload YOUR-NAME/{run.name} {model} . --private --exclude "checkpoint-*" --exclude "_*" --exclude "data/*" --exclude "diagnostics/*" --exclude "*.bin"',
            ),
        ]
    found.commands.append(("draw this page again", f"python scripts/report.py {folder}"))
