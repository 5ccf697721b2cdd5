"""A repository on the Hub as a run writes to it: made when it is first needed, private unless told otherwise, a branch for each checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import UserError
from ratchet.recipe import Recipe


@dataclass(frozen=True)
class Upload:
    """A folder on its way."""

    folder: Path
    message: str
    files: Sequence[str] | None = None
    """Of the folder; None: all of them."""
    revision: str | None = None
    """A branch of its own, made from main and then holding these files alone; None: the repository's."""
    where: str | None = None
    """Folder in the repository; None: its root."""

    @property
    def place(self) -> str:
        """Where it goes, for a reader."""
        return self.revision or self.where or "main"


def of_branch(folder: Path) -> Upload:
    """A staged checkpoint on its way to the branch that its folder is named after."""
    return Upload(folder, folder.name.replace("-", " "), revision=folder.name)


class Repository:
    """One model repository.

    Args:
        name: "owner/name", or a name, which is then the token's owner's.
        revision: the branch for what has none of its own (``hub_revision``); None: main.
    """

    def __init__(self, name: str, private: bool = True, revision: str | None = None):
        self.name, self.private, self.revision = name, private, revision
        self._made: set[str] = set()

    def push(self, upload: Upload) -> None:
        """Upload in one commit. Raises whatever the client raises; ``sentence`` says what it means."""
        from huggingface_hub import HfApi

        api = HfApi()
        if not self._made:
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
            allow_patterns=None if upload.files is None else list(upload.files),
            delete_patterns=["*"] if upload.revision else None,
            revision=branch,
        )


def repository_of(recipe: Recipe) -> Repository:
    """The one that a recipe names, by ``hub_model_id`` or else the run's folder."""
    name = recipe.values.get("hub_model_id") or recipe.output_dir.absolute().name
    return Repository(name, recipe.values.get("hub_private_repo") is not False, recipe.values.get("hub_revision"))


def sentence(error: BaseException, name: str) -> str:
    """What the Hub's answer means, and what to do about it."""
    if isinstance(error, UserError):
        return str(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = " ".join(str(error).split())[:200]
    if status == 401:
        return f"the Hub does not accept the token (HF_TOKEN, or that of `hf auth login`): it is missing, expired or revoked. {said}"
    if status in (402, 403, 413, 507) and any(word in said.lower() for word in ("storage", "quota", "limit", "space")):
        return (
            f"the Hub has no room left for {name}: delete old revisions or repositories, or get more storage. {said}"
        )
    if status == 403:
        return f"this account may not write to {name}: name a repository of your own (hub_model_id, or --repo OWNER/NAME). {said}"
    if type(error).__name__ == "RevisionNotFoundError":
        return f"{name} has no such revision. {said}"
    if status == 404:
        return f"{name} is not on the Hub, or this token may not see it. {said}"
    return f"{type(error).__name__}: {said}"
