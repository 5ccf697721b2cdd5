"""The curriculum's sampler and the decision to go on."""

from types import SimpleNamespace

import pytest
from accelerate import Accelerator
from transformers import TrainerControl, TrainerState
from trl.trainer.utils import RepeatSampler

from ratchet.errors import UserError
from ratchet.recipe.groups import Curriculum
from ratchet.rewards import Sample
from ratchet.tasks import Grade
from ratchet.training.curriculum.curriculum import CurriculumCallback
from ratchet.training.curriculum.sampler import Outcome, prompt_sampler

LEVELS = ["easy"] * 12 + ["hard"] * 12
SETTINGS = Curriculum(stages={"easy": 0.5, "hard": 0.5}, window=8)


def plain():
    return RepeatSampler(LEVELS, mini_repeat_count=2, batch_size=4, repeat_count=3, seed=0)


def prompts(indices):
    return {LEVELS[i] for i in indices}


def test_only_rows_of_the_stages_reached_are_drawn_in_trls_pattern():
    sampler = prompt_sampler(plain(), SETTINGS, LEVELS)
    assert len(sampler) == len(plain())
    stream = iter(sampler)
    first = [next(stream) for _ in range(24)]
    assert prompts(first) == {"easy"}
    assert first[:8] == first[8:16] == first[16:] and first[0] == first[1] and len(set(first)) == 4
    sampler.advance()
    rest = list(stream)
    assert prompts(rest) == {"easy", "hard"} and len(first) + len(rest) == len(sampler)


def test_earlier_stages_can_be_left_behind():
    sampler = prompt_sampler(plain(), Curriculum(stages=SETTINGS.stages, keep=False), LEVELS)
    sampler.advance()
    assert prompts(sampler) == {"hard"}


def test_rows_come_once_before_any_comes_again():
    sampler = prompt_sampler(plain(), SETTINGS, LEVELS)
    stream = iter(sampler)
    drawn = [next(stream) for _ in range(72)]
    assert sorted(set(drawn)) == list(range(12)) and all(drawn.count(i) == 6 for i in range(12))


def test_a_stage_without_rows_is_left_out_and_rows_without_a_stage_are_refused():
    settings = Curriculum(stages={"easy": 0.5, "medium": 0.5, "hard": 0.5})
    assert prompt_sampler(plain(), settings, LEVELS).names == ["easy", "hard"]
    with pytest.raises(UserError, match="no stage for the rows whose difficulty is hard"):
        prompt_sampler(plain(), Curriculum(stages={"easy": 0.5, "medium": 0.5}), LEVELS)


def test_a_stage_smaller_than_a_generation_is_refused():
    with pytest.raises(UserError, match="stage easy has 3 rows, and a generation takes 4"):
        prompt_sampler(plain(), SETTINGS, ["easy"] * 3 + ["hard"] * 21)


def stages(settings):
    found = CurriculumCallback(settings, Accelerator(cpu=True))
    found.sampler = prompt_sampler(plain(), settings, LEVELS)
    return found


def step(found, correct, number):
    found.saw([Sample("", {}, Grade(right, None)) for right in correct])
    found.on_step_end(SimpleNamespace(), TrainerState(global_step=number), TrainerControl())
    return found.sampler.stage


def test_the_next_stage_opens_at_the_threshold_and_not_before_the_window_is_full():
    found = stages(SETTINGS)
    assert [step(found, right, i) for i, right in enumerate([[True] * 4, [False] * 4, [True] * 4, [True] * 4])] == [
        0,
        1,
        1,
        1,
    ]


def test_low_accuracy_keeps_the_stage_and_the_last_stage_stays():
    found = stages(SETTINGS)
    assert [step(found, [False] * 8, i) for i in range(5)] == [0] * 5
    assert [step(found, [True] * 8, i) for i in range(5)] == [1] * 5


def test_a_stage_ends_after_its_steps_all_the_same():
    found = stages(Curriculum(stages=SETTINGS.stages, window=8, max_steps=3))
    assert [step(found, [False] * 8, i) for i in range(1, 6)] == [0, 0, 1, 1, 1]


def resting(**settings):
    return prompt_sampler(plain(), Curriculum(**settings), None)


def test_without_stages_every_row_comes_once_before_any_comes_again():
    sampler = resting(rest_solved=2)
    assert sorted(sum((sampler.draw(4) for _ in range(6)), [])) == list(range(24))


def times_drawn(sampler, passes, right):
    """How often a prompt is drawn while all others are drawn so many times, if it never teaches anything."""
    found, others = 0, 0
    while others < 23 * passes:
        (place,) = sampler.draw(1)
        others += place != 3
        if place == 3:
            found += 1
            sampler.heard(Outcome(3, False, right))
    return found


def test_a_prompt_that_stays_solved_sits_out_more_and_more_turns_up_to_the_limit():
    assert times_drawn(resting(rest_solved=0), 100, right=1.0) in (100, 101)
    assert times_drawn(resting(rest_solved=1), 100, right=1.0) in (50, 51)
    assert times_drawn(resting(rest_solved=4), 100, right=1.0) in (21, 22)  # 2 + 3 + 5 + 5 + ...
    assert times_drawn(resting(rest_solved=64), 100, right=1.0) in (6, 7)  # 2 + 3 + 5 + 9 + 17 + 33 + 65


def test_a_hopeless_prompt_has_a_limit_of_its_own():
    assert times_drawn(resting(rest_solved=4), 100, right=0.0) in (100, 101)
    assert times_drawn(resting(rest_hopeless=1), 100, right=0.0) in (50, 51)


def test_a_prompt_with_spread_is_awake_and_begins_anew():
    sampler = resting(rest_solved=8)
    for _ in range(4):
        sampler.heard(Outcome(3, False, 1.0))
    assert sampler.resting == 1 / 24
    sampler.heard(Outcome(3, True, 0.5))
    assert sampler.resting == 0
    sampler.heard(Outcome(3, False, 1.0))
    assert 3 not in sampler.draw(23) and 3 in sampler.draw(24)


def test_where_all_rest_a_chunk_is_full_all_the_same_and_has_each_prompt_once():
    sampler = resting(rest_solved=8)
    for place in range(24):
        for _ in range(place % 4):
            sampler.heard(Outcome(place, False, 1.0))
    assert all(len(set(sampler.draw(20))) == 20 for _ in range(5))


def test_who_rests_is_part_of_the_state():
    one, two = resting(rest_solved=8), resting(rest_solved=8)
    for place in (1, 1, 2):
        one.heard(Outcome(place, False, 1.0))
    one.draw(10)
    two.load_state_dict(one.state_dict())
    assert [one.draw(4) for _ in range(30)] == [two.draw(4) for _ in range(30)]
