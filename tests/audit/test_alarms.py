"""Alarms during training: each once, for what it is meant for and for nothing else."""

import pytest

from ratchet.audit.alarms import ENOUGH, PATIENCE, AlarmMonitor


def fed(watch, count=PATIENCE, **logs):
    return [
        alarm
        for step in range(count)
        for alarm in watch.logged(step, {"reward": 0.5, "reward_std": 0.4, "frac_reward_zero_std": 0.1, **logs})
    ]


def names(alarms):
    return [alarm.split(":")[0].removeprefix("alarm ") for alarm in alarms]


def test_a_healthy_run_raises_nothing():
    watch = AlarmMonitor("ABCDE")
    watch.answered(list("ABCDE") * ENOUGH, list("EDCBA") * ENOUGH)
    assert fed(watch, 50) == [] and watch.evaluated(10, 0.6, 0.5, 0.7, 0.27) == []


def test_reward_flat_at_zero_is_said_once():
    assert names(fed(AlarmMonitor(), 40, reward=0.0, reward_std=0.0, frac_reward_zero_std=1.0)) == [
        "reward-flat-at-zero"
    ]


def test_a_reward_that_is_zero_now_and_then_is_not_flat():
    watch = AlarmMonitor()
    assert [
        fed(watch, PATIENCE - 1, reward=0.0, reward_std=0.0),
        fed(watch, 1),
        fed(watch, PATIENCE - 1, reward=0.0, reward_std=0.0),
    ] == [[], [], []]


def test_groups_without_spread():
    assert names(fed(AlarmMonitor(), reward=1.0, reward_std=0.0, frac_reward_zero_std=0.95)) == [
        "groups-without-spread"
    ]


def test_completions_cut_off():
    assert names(fed(AlarmMonitor(), **{"completions/clipped_ratio": 0.97})) == ["completions-truncated"]


def test_one_letter_nearly_always():
    watch = AlarmMonitor("ABCDE")
    watch.answered(["A"] * ENOUGH, list("ABCDE") * (ENOUGH // 5))
    assert names(fed(watch, 1)) == ["one-answer"]


def test_one_letter_that_is_right_is_no_collapse():
    watch = AlarmMonitor("ABCDE")
    watch.answered(["A"] * ENOUGH, ["A"] * ENOUGH)
    assert fed(watch, 1) == []


def test_accuracy_that_the_majority_baseline_explains():
    assert names(AlarmMonitor().evaluated(50, 0.30, 0.25, 0.35, 0.27)) == ["not-above-majority"]


def test_before_training_accuracy_may_be_anything():
    assert AlarmMonitor().evaluated(0, 0.1, 0.0, 0.2, 0.27) == []


def test_reward_rises_and_accuracy_does_not():
    watch = AlarmMonitor()
    watch.evaluated(0, 0.5, 0.4, 0.6, 0.2)
    for step in range(60):
        watch.logged(step, {"reward": 0.2 + step / 100, "reward_std": 0.3})
    assert names(watch.evaluated(60, 0.48, 0.4, 0.56, 0.2)) == ["reward-without-accuracy"]


def test_reward_and_accuracy_rise_together():
    watch = AlarmMonitor()
    watch.evaluated(0, 0.5, 0.4, 0.6, 0.2)
    for step in range(60):
        watch.logged(step, {"reward": 0.2 + step / 100, "reward_std": 0.3})
    assert watch.evaluated(60, 0.8, 0.7, 0.9, 0.2) == []


def test_every_alarm_names_cause_and_remedy():
    (alarm,) = fed(AlarmMonitor(), reward=0.0, reward_std=0.0)
    assert "Likely cause: " in alarm and "Remedy: " in alarm


def test_a_loss_that_is_no_number_is_an_alarm_also_without_a_reward():
    watch = AlarmMonitor()
    assert watch.logged(3, {"loss": 1.0, "grad_norm": 0.5}) == []
    (alarm,) = watch.logged(4, {"loss": float("nan"), "grad_norm": float("inf")})
    assert alarm.startswith("alarm not-finite: loss and grad_norm are non-finite (NaN or inf) at step 4")
    assert watch.logged(5, {"loss": float("nan")}) == []


def test_a_sampler_with_other_weights_is_said_once():
    assert names(fed(AlarmMonitor(), 3, **{"sampling/sampling_logp_difference/mean": 1.5})) == ["sampler-disagrees"]


@pytest.mark.parametrize(
    ("computed_in", "figure", "value", "is_raised"),
    [
        ("float32", "sampling/sampling_logp_difference/mean", 7e-7, False),
        ("float32", "sampling/sampling_logp_difference/mean", 3e-4, False),  # LoRA's dropout
        ("float32", "sampling/sampling_logp_difference/mean", 0.004, True),  # an engine in bfloat16
        ("float32", "sampling/sampling_logp_difference/max", 0.25, True),  # a stale output head
        ("bfloat16", "sampling/sampling_logp_difference/mean", 0.004, False),
        ("bfloat16", "sampling/sampling_logp_difference/max", 0.25, False),
        ("bfloat16", "sampling/sampling_logp_difference/mean", 0.04, True),  # a layer times 1.5
        ("bfloat16", "weights/sampler_apart", 1e-4, True),
        ("float32", "weights/sampler_apart", 1e-9, False),
    ],
)
def test_how_far_a_sampler_may_be_away_depends_on_the_types(computed_in, figure, value, is_raised):
    found = names(fed(AlarmMonitor(computed_in=computed_in), 3, **{figure: value}))
    assert found == (["sampler-disagrees"] if is_raised else [])
    assert fed(AlarmMonitor(), 3, **{"sampling/sampling_logp_difference/mean": 0.02}) == []


def test_alarms_go_on_from_where_they_were():
    first, second = AlarmMonitor("ABCDE"), AlarmMonitor("ABCDE")
    assert fed(first, PATIENCE - 1, reward=0.0, reward_std=0.0) == []
    second.load_state_dict(first.state_dict())
    assert names(fed(second, 1, reward=0.0, reward_std=0.0)) == ["reward-flat-at-zero"]
