"""Asking a model: in this process, behind a server, as a policy with a task, in a conversation."""
