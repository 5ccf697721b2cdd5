"""lighteval's command line with the custom tasks alone: at their import its own ones want the network and an older huggingface_hub."""

from lighteval.tasks.registry import Registry

_all = Registry.load_all_task_configs


def _custom(custom_tasks=None, load_multilingual=False):
    if custom_tasks is None:
        return _all(custom_tasks, load_multilingual)
    return Registry._extract_configs(Registry.create_custom_tasks_module(custom_tasks))


Registry.load_all_task_configs = staticmethod(_custom)

if __name__ == "__main__":
    from lighteval.__main__ import app

    app()
