"""Run a command for each batch.

Theory of operation: the command reads the batch from its standard input, a file without a name that nobody has to
clean up, and answers with its exit status, the one convention every program follows.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import IO

from millstream.core.model import Discard, Done, Kind, Outcome, Retry
from millstream.errors import InvalidValueError
from millstream.runtime.batch import Batch, Context
from millstream.runtime.processes import describe_status

_DISCARD_STATUS = os.EX_DATAERR


class CommandHandler:
    """A handler that runs `argv`.

    Standard input is a file: the records of a minibatch, each ending with a newline, or the paths of a bucket, one
    per line. The environment has MILLSTREAM_BATCH_ID, MILLSTREAM_ATTEMPT and, for a batch with a key,
    MILLSTREAM_BATCH_KEY. Exit status 0 is done, 65 is discard, everything else is retry, with the last line of standard
    error as its reason. Raises InvalidValueError when there is no such program.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        if not argv or shutil.which(argv[0]) is None:
            raise InvalidValueError(
                name="command",
                expected="a program on the PATH, or the path of an executable file",
                found=argv[0] if argv else "",
            )
        self._argv = tuple(argv)

    def __call__(self, batch: Batch, context: Context) -> Outcome:
        """Run the command on a batch; blocks."""
        env = {"MILLSTREAM_BATCH_ID": batch.id, "MILLSTREAM_ATTEMPT": str(context.attempt)}
        if batch.key is not None:
            env["MILLSTREAM_BATCH_KEY"] = batch.key
        with tempfile.TemporaryFile(dir=context.scratch) as stdin:
            _write(batch, stdin)
            status, tail = context.spawn(self._argv, env=env, stdin=stdin.fileno())
        if status == 0:
            return Done()
        last_line = tail.strip().rpartition("\n")[2]
        if status == _DISCARD_STATUS:
            return Discard(last_line)
        return Retry(error=": ".join(filter(None, (describe_status(status), last_line))))


def _write(batch: Batch, file: IO[bytes]) -> None:
    """Write what a command reads, and go back to its start."""
    if batch.kind is Kind.BUCKET:
        file.writelines(os.fsencode(ref.path) + b"\n" for ref in batch.files)
    else:
        file.writelines(batch.blocks())
    file.seek(0)
