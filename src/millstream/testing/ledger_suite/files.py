"""Files in buckets: planned once, worked once, and what happens when they change."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

from millstream.core.identity import bucket_id
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Discard, Done, Eviction, FileRef, Job, Kind, Retry
from millstream.core.operations import Cancel, Evict, Finish, Revive
from millstream.core.queries import ReadAttempts, ReadBatches, ReadCosts, ReadEvents, ReadFiles, ReadKnownVersions
from millstream.core.rows import CostRow
from millstream.testing.ledger_suite.driver import DUE, NOON, PIPELINE, Driver, OnALedger, a_file, claim, finish, plan


def evict(job: Job, *changes: tuple[FileRef, FileRef | None]) -> Evict:
    """Files of a claimed bucket are not what was listed: pairs of (listed, current)."""
    evictions = tuple(Eviction(listed=listed, current=current) for listed, current in changes)
    return Evict(batch_id=job.id, fence=job.fence, evictions=evictions, at=NOON, not_before=DUE)


class Files(OnALedger):
    """What happens to files."""

    def claimed(self, ledger: Driver, *files: FileRef) -> Job:
        """Plan a bucket of `files` and claim it; no other may be ready."""
        ledger.do(plan(*files))
        (job,) = ledger.do(claim())
        return job

    def states(self, ledger: Driver) -> dict[tuple[str, str], str]:
        """The state of each version of each file that the ledger knows."""
        return {(row.path, row.version): row.state for row in ledger.read(ReadFiles(pipeline=PIPELINE))}

    def known(self, ledger: Driver, *files: FileRef) -> set[FileRef]:
        """Which of these files are known."""
        found = ledger.read(ReadKnownVersions(pipeline=PIPELINE, files=files))
        return {file for file in files if (file.path, file.version) in found}

    # --- planning -------------------------------------------------------------------------------------------------

    def test_a_bucket_is_planned_and_worked(self, ledger: Driver) -> None:
        """A planned bucket is ready with all its files; when it is done, so are they, sealed with their checksums."""
        a, b = a_file("a", size_bytes=7), a_file("b", size_bytes=8)
        job = self.claimed(ledger, b, a)
        sealed = AttemptResult(outcome=Done(), checksums={a.path: "aa11", b.path: "bb22"})
        before = self.states(ledger)
        ledger.do(Finish(batch_id=job.id, fence=job.fence, at=NOON, result=sealed))

        assert (job.kind, job.records, job.size_bytes, job.files) == (Kind.BUCKET, 2, 15, (a, b))
        assert set(before.values()) == {"planned"}
        assert [
            (row.path, row.state, row.sha256, row.batch_id) for row in ledger.read(ReadFiles(pipeline=PIPELINE))
        ] == [
            (a.path, "done", "aa11", job.id),
            (b.path, "done", "bb22", job.id),
        ]
        assert ledger.batch(job.id).files == (a, b)

    def test_files_are_found(self, ledger: Driver) -> None:
        """Files are listed by path, by pipeline, by bucket, or all of them."""
        mine, other, theirs = plan(a_file("a")), plan(a_file("b")), plan(a_file("a"), pipeline="others")
        ledger.apply(mine, other, theirs)

        def found(query: ReadFiles) -> list[tuple[str, str]]:
            return [(row.pipeline, row.path) for row in ledger.read(query)]

        assert found(ReadFiles(path="/in/a")) == [(PIPELINE, "/in/a"), ("others", "/in/a")]
        assert found(ReadFiles(pipeline=PIPELINE)) == [(PIPELINE, "/in/a"), (PIPELINE, "/in/b")]
        assert found(ReadFiles(batch_id=other.batch_id)) == [(PIPELINE, "/in/b")]
        assert len(found(ReadFiles())) == 3

    def test_a_bucket_is_planned_once(self, ledger: Driver) -> None:
        """Planning the same bucket again changes nothing, while it waits or when it is done."""
        files = a_file("a"), a_file("b")
        ledger.apply(plan(*files, cost_s=1), plan(*reversed(files), cost_s=2))
        (job,) = ledger.do(claim())
        ledger.do(finish(job, Done()))
        before = ledger.read(ReadBatches())
        ledger.do(plan(*files))

        assert ledger.read(ReadBatches()) == before
        assert [row.cost_s for row in before] == [1]
        assert set(self.states(ledger).values()) == {"done"}

    def test_versions_are_known(self, ledger: Driver) -> None:
        """A file is known in exactly the versions that were planned, and in each pipeline for itself."""
        planned, changed, unseen = a_file("a"), a_file("a", version=2), a_file("b")
        ledger.apply(plan(planned), plan(unseen, pipeline="others"))

        assert self.known(ledger, planned, changed, unseen) == {planned}
        assert ledger.read(ReadKnownVersions(pipeline=PIPELINE, files=())) == frozenset()

    def test_many_versions_at_once(self, ledger: Driver) -> None:
        """One question may be about any number of files."""
        files = [a_file(f"{number}") for number in range(25_000)]
        ledger.do(plan(*files[::5]))

        assert self.known(ledger, *files) == set(files[::5])

    def test_files_share_the_fate_of_their_bucket(self, ledger: Driver) -> None:
        """Files are discarded, dead, planned again or cancelled with their bucket, and stay planned while it waits."""
        a, b, c = a_file("a"), a_file("b"), a_file("c")
        ledger.do(finish(self.claimed(ledger, a), Discard("not wanted")))
        dead = self.claimed(ledger, b)
        ledger.do(finish(dead, Retry(), bury=True))
        buried = self.states(ledger)
        ledger.do(finish(self.claimed(ledger, c), Retry()))
        ledger.do(Revive(batch_id=dead.id, at=NOON))
        revived = self.states(ledger)
        ledger.do(Cancel(batch_id=dead.id, at=NOON))

        assert buried == {(a.path, a.version): "discarded", (b.path, b.version): "dead"}
        assert revived == {
            (a.path, a.version): "discarded",
            (b.path, b.version): "planned",
            (c.path, c.version): "planned",
        }
        assert self.states(ledger)[b.path, b.version] == "discarded"

    def test_costs_of_past_buckets(self, ledger: Driver) -> None:
        """What buckets cost that were done is told, newest first, up to a limit."""
        for number in range(3):
            job = self.claimed(ledger, *(a_file(f"{number}-{n}", size_bytes=10) for n in range(number + 1)))
            ledger.do(finish(job, Done(), at=NOON + number, seconds=0.1 * number))
        ledger.do(finish(self.claimed(ledger, a_file("bad")), Discard()))

        assert ledger.read(ReadCosts(pipeline=PIPELINE, limit=2)) == (
            CostRow(size_bytes=30, files=3, seconds=0.2),
            CostRow(size_bytes=20, files=2, seconds=0.1),
        )
        assert ledger.read(ReadCosts(pipeline="others")) == ()

    # --- evictions ------------------------------------------------------------------------------------------------

    def test_a_changed_file_leaves_its_bucket(self, ledger: Driver) -> None:
        """A file that changed waits in a bucket of its own, in its new version; the rest is ready, uncharged."""
        old, new, other = a_file("a"), a_file("a", version=2, size_bytes=300), a_file("b")
        job = self.claimed(ledger, old, other)
        evicted = ledger.do(evict(job, (old, new)))
        (attempt,) = ledger.read(ReadAttempts(batch_id=job.id))
        (rest,) = ledger.do(claim())
        ledger.do(finish(rest, Done()))
        (successor,) = ledger.read(ReadBatches(states=(State.WAITING,)))
        (moved,) = ledger.do(claim(at=DUE))

        assert evicted is True
        assert (attempt.outcome, rest.attempt, rest.failures) == ("evicted", 2, 0)
        assert (rest.id, rest.files, rest.records, rest.size_bytes) == (job.id, (other,), 1, 100)
        assert successor.not_before == DUE
        assert (moved.id, moved.files, moved.records, moved.size_bytes) == (successor.id, (new,), 1, 300)
        assert self.states(ledger) == {
            (old.path, old.version): "superseded",
            (new.path, new.version): "planned",
            (other.path, other.version): "done",
        }
        for batch_id in (job.id, successor.id):
            assert [event.what for event in ledger.read(ReadEvents(batch_id=batch_id))] == ["evicted"]

    def test_a_superseded_version_stays_so(self, ledger: Driver) -> None:
        """When the new version is done, the old one is still superseded and has no checksum."""
        old, new = a_file("a"), a_file("a", version=2)
        ledger.do(evict(self.claimed(ledger, old), (old, new)))
        (moved,) = ledger.do(claim(at=DUE))
        sealed = AttemptResult(outcome=Done(), checksums={new.path: "aa22"})
        ledger.do(Finish(batch_id=moved.id, fence=moved.fence, at=DUE, result=sealed))

        assert {(row.version, row.state, row.sha256) for row in ledger.read(ReadFiles(path=old.path))} == {
            (old.version, "superseded", None),
            (new.version, "done", "aa22"),
        }

    def test_a_missing_file_leaves_its_bucket(self, ledger: Driver) -> None:
        """A file that disappeared is in a dead batch of its own that says so; the rest is ready, uncharged."""
        missing, other = a_file("a"), a_file("b")
        job = self.claimed(ledger, missing, other)
        evicted = ledger.do(evict(job, (missing, None)))
        (rest,) = ledger.do(claim())
        (dead,) = ledger.read(ReadBatches(states=(State.DEAD,)))

        assert evicted is True
        assert (rest.files, rest.failures) == ((other,), 0)
        assert (dead.files, dead.records, dead.size_bytes, dead.finished_at) == ((missing,), 1, 100, NOON)
        assert dead.error is not None
        assert missing.path in dead.error
        assert self.states(ledger) == {(missing.path, "100-1-1"): "dead", (other.path, "100-1-1"): "planned"}

    def test_the_last_file_leaves_its_bucket(self, ledger: Driver) -> None:
        """A bucket that all files left is discarded, and each of them is in a bucket of its own."""
        missing, old, new = a_file("a"), a_file("b"), a_file("b", version=2)
        job = self.claimed(ledger, missing, old)
        ended = ledger.do(evict(job, (missing, None), (old, new)))
        row = ledger.batch(job.id)

        assert ended is State.DISCARDED
        assert (row.state, row.records, row.size_bytes, row.files) == (State.DISCARDED, 0, 0, ())
        assert {(other.state, other.files) for other in ledger.read(ReadBatches()) if other.id != job.id} == {
            (State.DEAD, (missing,)),
            (State.WAITING, (new,)),
        }

    def test_a_known_new_version_is_not_planned_twice(self, ledger: Driver) -> None:
        """A file whose new version was listed and planned already only leaves its bucket."""
        old, new, other = a_file("a"), a_file("a", version=2), a_file("b")
        job = self.claimed(ledger, old)
        ledger.do(plan(new, other))
        ended = ledger.do(evict(job, (old, new)))
        (claimed,) = ledger.do(claim(at=DUE))

        assert ended is State.DISCARDED
        assert claimed.files == (new, other)
        assert len(ledger.read(ReadBatches())) == 2
        assert [event.what for event in ledger.read(ReadEvents(batch_id=claimed.id))] == ["evicted"]

    def test_a_missing_file_comes_back_as_it_was(self, ledger: Driver) -> None:
        """The dead batch of a missing file is worked when an operator revives it and the file is there again."""
        missing = a_file("a")
        ledger.do(evict(self.claimed(ledger, missing), (missing, None)))
        ledger.do(Revive(batch_id=None, at=NOON))
        (job,) = ledger.do(claim())

        assert job.files == (missing,)
        assert ledger.do(finish(job, Done())) is State.DONE
        assert self.states(ledger) == {(missing.path, missing.version): "done"}

    def test_a_file_is_missing_twice(self, ledger: Driver) -> None:
        """A file that is still missing when its batch was revived is dead again, not claimed without end."""
        missing = a_file("a")
        ledger.do(evict(self.claimed(ledger, missing), (missing, None)))
        ledger.do(Revive(batch_id=None, at=NOON))
        (job,) = ledger.do(claim())
        ledger.do(evict(job, (missing, None)))

        assert ledger.do(claim(at=DUE)) == ()
        assert [row.files for row in ledger.read(ReadBatches(states=(State.DEAD,)))] == [(missing,)]
        assert self.states(ledger) == {(missing.path, missing.version): "dead"}

    def test_a_file_is_put_back_as_it_was(self, ledger: Driver) -> None:
        """A file that changed and changed back before it was worked is worked, although that version was known."""
        old, new = a_file("a"), a_file("a", version=2)
        ledger.do(evict(self.claimed(ledger, old), (old, new)))
        (job,) = ledger.do(claim(at=DUE))
        ledger.do(evict(job, (new, old)))
        (restored,) = ledger.do(claim(at=DUE))

        assert restored.files == (old,)
        assert ledger.do(finish(restored, Done())) is State.DONE
        assert self.states(ledger) == {(old.path, old.version): "done", (new.path, new.version): "superseded"}

    def test_a_superseded_version_is_not_known(self, ledger: Driver) -> None:
        """A version that was never worked, because the file changed, counts as new when it is listed again."""
        old, new, other = a_file("a"), a_file("a", version=2), a_file("b")
        ledger.do(evict(self.claimed(ledger, old, other), (old, new)))

        assert self.known(ledger, old, new, other) == {new, other}
        ledger.do(plan(old))
        assert ledger.batch(bucket_id(PIPELINE, files=[old])).files == (old,)
        assert self.known(ledger, old, new, other) == {old, new, other}
