"""`millstream serve` with a topic that is not there yet."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cli.serving import Server
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


def test_a_job_waits_for_a_topic_that_is_missing(kafka: Kafka, tmp_path: Path) -> None:
    """It says which and how to make it, spends no attempt, and is published once the topic is there."""
    topic = kafka.name()
    with Server(tmp_path, "--to", kafka.url(topic)) as server, server.client() as client:
        server.put("data.csv", rows=50)

        def job() -> Any:
            return client.get("/track", params={"message_id": message_id}).json()

        wanted = {"file_name": "data.csv", "file_container": "test"}
        message_id = client.post("/read-and-publish-data", json=wanted).json()["message_id"]
        until_s = time.monotonic() + 60
        while not (waiting := job())["waits_for"] and time.monotonic() < until_s:
            time.sleep(0.05)
        ready = client.get("/health/ready").json()
        kafka.topic(name=topic)
        while (ended := job())["ended_at"] is None and time.monotonic() < until_s:
            time.sleep(0.05)
        chunks = client.get("/track/chunks", params={"message_id": message_id}).json()["chunks"]

    assert waiting["status"] == "running"
    assert f"expected a topic '{topic}', found none" in waiting["waits_for"]
    assert f"millstream topics create {kafka.url(topic)}" in waiting["waits_for"]
    assert ready["status"] == "degraded"
    assert (ended["status"], ended["records_published"], ended["waits_for"]) == ("succeeded", 50, None), ended
    assert [chunk["state"] for chunk in chunks] == ["done"]
    assert len([json.loads(message.value() or b"") for message in kafka.read(topic)]) == 50


def test_markers_go_with_the_end_of_a_job(kafka: Kafka, tmp_path: Path) -> None:
    """A job that has ended leaves no consumer group behind."""
    topic, admin = kafka.topic(), kafka.admin()

    def groups() -> list[str]:
        found = admin.list_consumer_groups().result(30).valid
        return [group.group_id for group in found if message_id in group.group_id]

    with Server(tmp_path, "--to", kafka.url(topic)) as server, server.client() as client:
        server.put("data.csv", rows=500)
        wanted = {"file_name": "data.csv", "file_container": "test", "chunk_bytes": 1000}
        message_id = client.post("/read-and-publish-data", json=wanted).json()["message_id"]
        until_s = time.monotonic() + 80
        seen = 0
        while time.monotonic() < until_s:
            found, job = groups(), client.get("/track", params={"message_id": message_id}).json()
            seen = max(seen, len(found))
            if job["ended_at"] is not None and not found:
                break
            time.sleep(0.1)

    assert job["status"] == "succeeded", job
    assert seen > 1
    assert found == []
    assert len(kafka.read(topic)) == 500
