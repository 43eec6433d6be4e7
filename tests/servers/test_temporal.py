"""Temporal, as other tests stand on it."""

import subprocess

from dev import temporal as server

from servers.temporal import OwnTemporal, Temporal


def workflow(temporal: Temporal, *words: str) -> "subprocess.CompletedProcess[str]":
    """What the command line says of workflows."""
    command = [str(server.install() / "temporal"), "workflow", *words, "--address", temporal.address]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def begin(temporal: Temporal, name: str) -> None:
    """Begin a workflow that nobody works on."""
    asked = workflow(temporal, "start", "--workflow-id", name, "--type", "rest", "--task-queue", temporal.name())
    assert asked.returncode == 0, asked.stderr


def test_a_workflow_begins(temporal: Temporal) -> None:
    """A workflow that was begun is known; one that was not is not."""
    name = temporal.name()

    begin(temporal, name)

    assert workflow(temporal, "describe", "--workflow-id", name).returncode == 0
    assert workflow(temporal, "describe", "--workflow-id", f"no-{name}").returncode != 0


def test_a_killed_server_comes_back_with_its_data(own_temporal: OwnTemporal) -> None:
    """A server that was killed serves at the same address afterwards, with its workflows."""
    begin(own_temporal, "kept")

    own_temporal.kill()
    was_gone = not server.answers(own_temporal.address)
    own_temporal.start()

    assert was_gone
    assert workflow(own_temporal, "describe", "--workflow-id", "kept").returncode == 0
