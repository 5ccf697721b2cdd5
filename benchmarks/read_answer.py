"""What reading an answer costs, beside TRL's math-verify reward on the same completions in the same run.

    python benchmarks/read_answer.py            # pip install math-verify for the comparison

Prints the median microseconds per completion at about 50 and 1,000 tokens, their ratio to the peer's, and the worst of
100,000 characters of nested braces, repeated tags and spaces.
"""

import random
import statistics
import time

from ratchet.tasks.aquarat.task import AquaRat, extract_answer

ROUNDS, BATCH = 7, 128


def seconds_each(function, items) -> float:
    """Median seconds per item over some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for item in items:
            function(*item)
        times.append((time.perf_counter() - start) / len(items))
    return statistics.median(times)


def completions(characters: int) -> list[tuple[str, list[str]]]:
    """Worked answers of about that length, each with its options."""
    task = AquaRat(source="generated")
    rows, rng, found = task.load("train").rows, random.Random(0), []
    for row in rows[:BATCH]:
        text = ""
        while len(text) < characters - 40:
            other = rng.choice(rows)
            text += f"{other['question'].replace('?', '.')} We compute {other['rationale']}.\n"
        found.append((f"{text}\nAnswer: {row['correct']}", row["options"]))
    return found


def peer():
    """TRL's accuracy_reward, or None where math-verify is not installed."""
    try:
        from trl.rewards import accuracy_reward
    except ImportError:
        return None

    def reward(text: str, options: list[str]) -> None:
        accuracy_reward(
            [[{"role": "assistant", "content": text.replace("Answer: ", "Answer: \\boxed{") + "}"}]], ["\\boxed{C}"]
        )

    try:
        reward("Answer: C", [])
    except ImportError:
        return None
    return reward


def main() -> None:
    """Print the figures."""
    other = peer()
    for tokens, characters in ((50, 246), (1000, 4046)):
        batch = completions(characters)
        own = seconds_each(extract_answer, batch)
        line = f"{tokens:>5} tokens  {own * 1e6:8.1f} us per completion"
        if other:
            theirs = seconds_each(other, batch[:32])
            line += f", accuracy_reward {theirs * 1e6:8.1f} us: {theirs / own:.0f} times as long"
        print(line)
    for name, unit in (("nested braces", "\\boxed{"), ("repeated tags", "<answer>"), ("spaces", " ")):
        text = unit * (100_000 // len(unit))
        print(
            f"100,000 characters of {name:<14} {seconds_each(extract_answer, [(text, ['A)1', 'B)2'])]) * 1e3:.2f} ms"
        )


if __name__ == "__main__":
    main()
