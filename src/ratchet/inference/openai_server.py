"""Completions from a server that speaks OpenAI's chat API: vLLM, `transformers serve`, a hosted model.

Requests go out many at a time, each retried with growing pauses (by the client itself: refused connections, time-outs,
408, 409, 429 and 5xx). Every answer is appended to a file of JSON lines as it comes, under a hash of the server, the
model and the whole request, so that an evaluation that was stopped asks only for what is missing.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ratchet.errors import UserError
from ratchet.inference.completion import Completion, Generator, Sampling
from ratchet.inference.server_dialect import Dialect, Kind, kind_of
from ratchet.tasks.base import Message
from ratchet.tasks.loading import read_lines

# How servers refuse what is longer than their model (vLLM, SGLang, OpenAI), and the length that vLLM names.
_TOO_LONG = re.compile(
    r"context length|max_model_len|context_length_exceeded|maximum (?:model|input) length", re.IGNORECASE
)
_LIMIT = re.compile(r"(?:max_model_len=(?:max_total_tokens=)?|maximum context length is )(\d+)")


@dataclass(frozen=True)
class Server:
    """Where a model answers, and how it is asked."""

    url: str
    """Base URL with the version, as in http://127.0.0.1:8000/v1."""
    model: str
    """The model's name there; empty: the only one that the server has."""
    concurrency: int = 16
    """Requests at a time."""
    timeout: float = 120.0
    """Seconds that a request may take."""
    retries: int = 5
    """How often a request is retried."""
    key: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; local servers want none."""


def connect(server: Server) -> Any:
    """OpenAI's client for a server.

    Raises:
        UserError: for an address that is no URL.
    """
    from openai import OpenAI

    if not server.url.startswith(("http://", "https://")):
        raise UserError(f"--server: {server.url} is no address; write it as http://127.0.0.1:8000/v1")
    return OpenAI(
        base_url=server.url,
        api_key=os.environ.get(server.key) or "none",  # the client insists on one, also where the server wants none
        timeout=server.timeout,
        max_retries=server.retries,
    )


def only_model(server: Server, option: str = "--model") -> str:
    """The name of the one model that the server has.

    Args:
        option: what names another, for the message.

    Raises:
        UserError: where it cannot be asked, or has none or several.
    """
    from openai import OpenAIError

    try:
        names = [model.id for model in connect(server).models.list().data]
    except (OpenAIError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"--server: {server.url} does not list its models ({_described(error)}); name one with {option}"
        ) from None
    if len(names) != 1:
        raise UserError(
            f"--server: {server.url} has {', '.join(names) or 'no model that it names'}; choose with {option} NAME"
        )
    return names[0]


def server_kind(server: Server) -> Kind:
    """Which server it is, by the models that it lists and by the paths that it has."""
    from openai import OpenAIError

    try:
        owners = [str(getattr(model, "owned_by", "")) for model in connect(server).models.list().data]
    except (OpenAIError, TypeError, AttributeError, ValueError):
        owners = []
    return kind_of(server.url, owners)


def with_model(server: Server, option: str = "--model") -> Server:
    """The server with the model that is asked for: the one that is named, else the only one it has."""
    return server if server.model else replace(server, model=only_model(server, option))


class AnswerCache:
    """The answers to earlier requests, in a file of JSON lines that only grows."""

    def __init__(self, path: Path):
        self.path = path
        self.answers: dict[str, Completion] = {}
        for _, entry in read_lines(path) if path.is_file() else ():
            # The last line may be torn: its writer was killed.
            if isinstance(entry, dict) and {"key", "text", "tokens", "truncated"} <= entry.keys():
                self.answers[entry["key"]] = Completion(entry["text"], entry["tokens"], entry["truncated"])

    def add(self, key: str, completion: Completion) -> None:
        """Append an answer."""
        self.answers[key] = completion
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **asdict(completion)}) + "\n")


def server_generator(server: Server, cache: AnswerCache, dialect: Dialect | None = None) -> Generator:
    """A ``Generator`` that asks a server for what its cache does not hold yet.

    Args:
        dialect: what requests hold beside OpenAI's own fields; without it: nothing.
    """
    client, dialect = connect(server), dialect or Dialect()

    def generate(
        conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> tuple[list[list[Completion]], float]:
        start = time.perf_counter()
        requests: dict[str, dict[str, Any]] = {}
        keys: list[list[str]] = []
        beside = dialect.fields(sampling)
        for messages in conversations:
            said = dialect.messages(messages)
            asked = [_request(server, said, sampling, i, beside) for i in range(sampling.samples)]
            keys.append([_key(server, request) for request in asked])
            requests.update(zip(keys[-1], asked, strict=True))
        missing = {key: request for key, request in requests.items() if key not in cache.answers}
        known = len(requests) - len(missing)
        if known and missing:
            print(f"{cache.path} has {known} of the answers already; asking for {len(missing)}")
        _ask_all(client, server, missing, cache, dialect)
        if dialect.difference:
            print(f"warning: {dialect.difference}", file=sys.stderr)
        completions = [[cache.answers[key] for key in of_row] for of_row in keys]
        return completions, time.perf_counter() - start

    return generate


def _ask_all(
    client: Any, server: Server, missing: Mapping[str, dict[str, Any]], cache: AnswerCache, dialect: Dialect
) -> None:
    with ThreadPoolExecutor(server.concurrency) as pool:
        waiting = {pool.submit(_ask, client, server, request, dialect): key for key, request in missing.items()}
        answers = as_completed(waiting)
        silent = len(waiting) < 2
        try:
            for answer in tqdm(
                answers, f"asking {server.model}", len(waiting), leave=False, disable=silent or not sys.stderr.isatty()
            ):
                cache.add(waiting[answer], answer.result())
        except BaseException as error:
            pool.shutdown(cancel_futures=True)
            _add_late_ones(waiting, cache)
            kept = f"{len(cache.answers)} answers are kept in {cache.path}; the same command resumes with them"
            if isinstance(error, UserError) and cache.answers:
                raise UserError(f"{error}\n{kept}") from None
            if isinstance(error, KeyboardInterrupt) and cache.answers:
                print(f"\n{kept}", file=sys.stderr)
            raise


def _add_late_ones(waiting: Mapping[Future, str], cache: AnswerCache) -> None:
    """Keep what came in while the pool was shut down: these answers have been paid for."""
    for answer, key in waiting.items():
        arrived = answer.done() and not answer.cancelled() and answer.exception() is None
        if arrived and key not in cache.answers:
            cache.add(key, answer.result())


def _request(
    server: Server, messages: Sequence[Message], sampling: Sampling, number: int, beside: Mapping[str, Any]
) -> dict[str, Any]:
    """What a request asks for.

    Args:
        number: of the sample, each of which has a seed of its own; greedy ones need none.
        beside: fields that are not OpenAI's.
    """
    request: dict[str, Any] = {
        "model": server.model,
        "messages": list(messages),
        "max_tokens": sampling.max_new_tokens,
    }
    if beside:
        request["extra_body"] = dict(beside)
    if not sampling.temperature:
        return {**request, "temperature": 0.0}
    drawing = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed + number}
    return {**request, **drawing}


def _key(server: Server, request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([server.url, request], sort_keys=True).encode()).hexdigest()[:32]


def _ask(client: Any, server: Server, request: dict[str, Any], dialect: Dialect) -> Completion:
    """Ask once, with the client's retries; an answer that is no chat completion is asked for again as often."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

    shape = (OpenAIError, ValueError, TypeError, AttributeError, LookupError)  # what an answer of another shape raises
    reason = ""
    for attempt in range(server.retries + 1):
        if attempt:
            time.sleep(_pause(attempt))
        try:
            answer = client.chat.completions.create(**request)
            completion = _completion(answer)
            dialect.compare(request["messages"], getattr(answer.usage, "prompt_tokens", None))
            return completion
        except APITimeoutError:  # a kind of APIConnectionError, so it comes first
            raise UserError(
                f"{server.url} did not answer within {server.timeout:g} s ({server.retries + 1} times); "
                "raise --timeout or lower --concurrency"
            ) from None
        except APIConnectionError as error:
            raise UserError(
                f"{server.url} cannot be reached ({_described(error.__cause__ or error)}); "
                "is the server up, and is the address right?"
            ) from None
        except APIStatusError as error:
            shorter = _shortened(server, request, error)
            if shorter is None:
                raise UserError(_refused(server, error)) from None
            return _ask(client, server, shorter, dialect) if shorter else Completion("", 0, truncated=True)
        except shape as error:
            reason = _described(error)
    raise UserError(
        f"{server.url} answers what is no chat completion ({reason}); "
        "is it a server with OpenAI's API, and does the address end in /v1?"
    )


def _completion(answer: Any) -> Completion:
    choice = answer.choices[0]
    text, tokens = choice.message.content or "", getattr(answer.usage, "completion_tokens", None)
    if not isinstance(text, str):
        raise TypeError(f"the content is a {type(text).__name__}")
    return Completion(text, tokens if isinstance(tokens, int) else 0, truncated=choice.finish_reason == "length")


def _shortened(server: Server, request: dict[str, Any], error: Any) -> dict[str, Any] | None:
    """What to ask instead of a row that is longer than the server's model, which must not end an evaluation.

    Returns:
        The request for as many tokens as are left; {} where the prompt alone is too long, which counts as an answer
        that was cut off before its first token; None where something else is wrong.

    Raises:
        UserError: where no row can have as many tokens as are asked for.
    """
    message = " ".join(error.response.text.split())
    if error.status_code != 400 or not _TOO_LONG.search(message):
        return None
    asked = request.get("max_tokens")
    limit = _LIMIT.search(message)
    if asked and limit and asked >= int(limit[1]):
        raise UserError(
            f"{server.url} serves a model of {limit[1]} tokens, and answers may have {asked}: start it with a higher "
            "--max-model-len, or lower evaluation.max_new_tokens (max_completion_length)"
        )
    _say_once(server, "rows are longer than the server's model: their answers get what is left, and count as cut off")
    return {key: value for key, value in request.items() if key != "max_tokens"} if asked else {}


@cache
def _say_once(server: Server, text: str) -> None:
    print(f"note: {server.url}: {text}", file=sys.stderr)


def _refused(server: Server, error: Any) -> str:
    """What a status means, and what to do about it."""
    status, message = error.status_code, " ".join(error.response.text.split())[:240]
    if status in (401, 403):
        return (
            f"{server.url} refuses the key in {server.key} ({status}); "
            f"set the right one (or --key-variable NAME). {message}"
        )
    if status == 404:
        return (
            f"{server.url} has no model {server.model} under this name, or is no chat API (404): "
            f"check --model, and that the address ends in /v1. {message}"
        )
    if status == 429 or status >= 500:
        return (
            f"{server.url} still answers {status} after {server.retries + 1} tries; "
            f"lower --concurrency, or try later. {message}"
        )
    return f"{server.url} refuses the request ({status}): {message}"


def _pause(attempt: int) -> float:
    """Seconds before an attempt: half a second, doubled each time, at most eight."""
    return min(8.0, 0.5 * 2 ** (attempt - 1))


def _described(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:240]
