"""What is learned: a folder per task. ``find_task`` turns a recipe's ``task`` into a class."""

from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.aquarat.task import AquaRat
from ratchet.tasks.base import Grade, Message, Probe, Row, Split, Task, completion_text
from ratchet.tasks.dakota.task import Dakota
from ratchet.tasks.registry import TASKS, find_task, load_split, train_split

__all__ = [
    "TASKS",
    "AquaRat",
    "Dakota",
    "Grade",
    "Message",
    "Probe",
    "Row",
    "Split",
    "Task",
    "completion_text",
    "find_task",
    "load_split",
    "read_written_answer",
    "train_split",
]
