"""Runs programs that nobody has read: what a model has written, and the tests it has to pass."""

from ratchet.sandbox.run import Outcome, Sandbox, check_sandbox, run_program, run_tests

__all__ = ["Outcome", "Sandbox", "check_sandbox", "run_program", "run_tests"]
