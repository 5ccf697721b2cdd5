"""A repository on the Hub as a run writes to it: made on the first push, private by default, a branch a checkpoint."""

import sys
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import UserError
from ratchet.recipe import Recipe

_FULL = ("storage", "quota", "limit", "space")


@dataclass(frozen=True)
class Upload:
    """A folder that is to be uploaded in one commit."""

    folder: Path
    message: str
    """Of the commit."""
    revision: str | None = None
    """A branch of its own, made from main and then holding these files alone; None: the repository's branch."""
    where: str | None = None
    """Folder in the repository; None: its root."""

    @property
    def place(self) -> str:
        """Where it goes, for a reader."""
        return self.revision or self.where or "main"


def of_branch(folder: Path) -> Upload:
    """The upload of a staged checkpoint to the branch that its folder is named after."""
    return Upload(folder, folder.name.replace("-", " "), revision=folder.name)


class Repository:
    """A model repository, made on the first push.

    Args:
        name: "owner/name", or a name alone, which is then one of the token's owner.
        revision: the branch for what has none of its own (``hub_revision``); None: main.
    """

    def __init__(self, name: str, private: bool = True, revision: str | None = None):
        self.name, self.private, self.revision = name, private, revision
        self._made: set[str] = set()

    def push(self, upload: Upload) -> None:
        """Upload in one commit. Raises what the client raises; ``sentence`` says what that means."""
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        if not sys.stderr.isatty():
            disable_progress_bars()
        api = HfApi()
        if not self._made:
            # The answer holds the owner too, which a name alone lacks.
            self.name = api.create_repo(self.name, private=self.private, exist_ok=True).repo_id
            self._made.add("main")
        branch = upload.revision or self.revision or "main"
        if branch not in self._made:
            api.create_branch(self.name, branch=branch, exist_ok=True)
            self._made.add(branch)
        api.upload_folder(
            repo_id=self.name,
            folder_path=upload.folder,
            path_in_repo=upload.where,
            commit_message=upload.message,
            # A new branch begins with main's files: those of another step must not stay beside this one's.
            delete_patterns=["*"] if upload.revision else None,
            revision=branch,
        )


def repository_of(recipe: Recipe) -> Repository:
    """The repository that a recipe names, by ``hub_model_id`` or else by the run's folder."""
    name = recipe.values.get("hub_model_id") or recipe.output_dir.absolute().name
    private = recipe.values.get("hub_private_repo") is not False
    return Repository(name, private, recipe.values.get("hub_revision"))


def sentence(error: BaseException, name: str) -> str:
    """What the Hub's answer means, and what to do about it.

    Args:
        name: of the repository.
    """
    if isinstance(error, UserError):
        return str(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    answer = " ".join(str(error).split())[:200]
    if status == 401:
        return (
            "the Hub does not accept the token (HF_TOKEN, or that of `hf auth login`): "
            f"it is missing, expired or revoked. {answer}"
        )
    # Full storage comes as 403 too, told from missing rights by its words alone.
    if status in (402, 403, 413, 507) and any(word in answer.lower() for word in _FULL):
        return (
            f"the Hub has no room left for {name}: delete old revisions or repositories, or get more storage. {answer}"
        )
    if status == 403:
        return (
            f"this account may not write to {name}: "
            f"name a repository of your own (hub_model_id, or --repo OWNER/NAME). {answer}"
        )
    # A class of its own, but one that only the client's heavy import would give.
    if type(error).__name__ == "RevisionNotFoundError":
        return f"{name} has no such revision. {answer}"
    if status == 404:
        return f"{name} is not on the Hub, or this token may not see it. {answer}"
    return f"{type(error).__name__}: {answer}"
