"""What a reward needs and the rows lack is found before training."""

import pytest

from ratchet.errors import UserError
from ratchet.rewards import REWARDS, RewardTerm, reward, validate_task
from ratchet.tasks.aquarat.task import AquaRat

ROW = {"question": "What is 6 * 7?", "options": ["A)7", "B)24", "C)42", "D)84", "E)1"], "correct": "C"}


def test_a_reward_that_needs_a_column_the_rows_lack_is_found_before_training():
    needy = reward(0.0, 1.0)(lambda sample: float(sample.row["difficulty"]))
    with pytest.raises(
        UserError,
        match=r"rewards\.<lambda> of row train-0 raises KeyError: 'difficulty' \(test_rehearsal.py:\d+\); the row has",
    ):
        validate_task(AquaRat(source="generated"), [RewardTerm(needy)], [{**ROW, "id": "train-0", "rationale": ""}])


def test_the_score_of_a_task_without_one_says_so():
    with pytest.raises(UserError, match="has no component score; take correctness"):
        validate_task(
            AquaRat(source="generated"), [RewardTerm(REWARDS["score"])], [{**ROW, "id": "train-0", "rationale": ""}]
        )
