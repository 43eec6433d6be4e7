"""The API against its own OpenAPI document, in every phase that schemathesis has, with all of its checks."""

from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from web.serving import API_KEYS, KEYS, FolderService, app_of

PHASES = {"examples", "coverage", "fuzzing", "stateful"}
FILE_NAME_BYTES = 1024


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, object]) -> None:
    """Make the generator's requests different: two with one idempotency key would be one job, or a conflict."""
    headers = case.headers
    if headers and "Idempotency-Key" in headers and case.meta is not None and case.meta.generation.mode.is_positive:
        headers["Idempotency-Key"] = str(uuid4())


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leave out what is too long as UTF-8, which no JSON Schema can say."""
    name = body.get("file_name") if isinstance(body, dict) else None
    return not isinstance(name, str) or len(name.encode("utf-8", "replace")) <= FILE_NAME_BYTES


def failures_of(event: events.ScenarioFinished) -> list[str]:
    """The checks that failed, with the request that shows it."""
    checks = [check for checks in event.recorder.checks.values() for check in checks]
    return [
        f"{check.name}: {check.failure_info.failure.message}\n{check.failure_info.code_sample}"
        for check in checks
        if check.failure_info is not None
    ]


def check(service: FolderService, *, examples: int, key: str | None) -> tuple[list[str], Counter[str], set[str]]:
    """Everything that is wrong, how often each operation was asked, and the phases that took place."""
    service.put("data.csv")
    # Nobody reads its streams for ever, so they end at once; and nobody counts how often it is asked.
    app = app_of(
        service,
        hosts=None,
        requests_per_s=1e6,
        burst=10**6,
        jobs_per_key=10**6,
        keys=API_KEYS if key is not None else (),
    )
    app.state.room.closing.set()
    values: dict[str, Any] = {"seed": 1, "generation": {"max-examples": examples, "deterministic": True}}
    if key is not None:
        values["headers"] = {"Authorization": f"Bearer {KEYS[key]}"}
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", app, config=SchemathesisConfig.from_dict(values), headers={"Host": "localhost"}
    )
    wrong: list[str] = []
    asked: Counter[str] = Counter()
    phases: set[str] = set()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                phases.add(str(event.phase.value))
                asked.update(node.value.operation.label for node in event.recorder.cases.values())
                wrong += failures_of(event)
            case events.NonFatalError() | events.FatalError():
                wrong.append(repr(event))
            case events.PhaseFinished(status=Status.ERROR):
                wrong.append(repr(event))
    return wrong, asked, phases


@pytest.mark.parametrize("key", [None, "root"])
def test_answers_are_as_described(service: FolderService, key: str | None) -> None:
    """Whatever is sent, the answer is one that the document describes; with keys, nothing is answered without one."""
    wrong, asked, phases = check(service, examples=8, key=key)

    assert not wrong, "\n\n".join(wrong)
    assert phases >= PHASES
    assert min(asked.values()) > 3
    assert len(asked) >= 15


@pytest.mark.soak
def test_answers_are_as_described_at_length(service: FolderService) -> None:
    """The same with many more examples."""
    wrong, _, _ = check(service, examples=500, key=None)

    assert not wrong, "\n\n".join(wrong)
