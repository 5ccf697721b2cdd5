"""lighteval's command line with the custom tasks alone.

lighteval loads the configurations of all its own tasks at every start, some of which want the network and an older
huggingface_hub at their import.
"""

from lighteval.tasks.registry import Registry

_all = Registry.load_all_task_configs


def _custom(custom_tasks=None, load_multilingual=False):
    """``Registry.load_all_task_configs``, of which nothing else is asked here."""
    if custom_tasks is None:
        return _all(custom_tasks, load_multilingual)
    return Registry._extract_configs(Registry.create_custom_tasks_module(custom_tasks))


Registry.load_all_task_configs = staticmethod(_custom)

if __name__ == "__main__":
    from lighteval.__main__ import app

    app()
