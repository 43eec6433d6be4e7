"""Work the files of a folder in buckets of at most 10 MB: what is in each goes to `reports/`.

    millstream simulate files --dir incoming
    python nightly.py

It looks once and ends. With `at="02:00"` it stays and looks every night, until SIGTERM.
"""

import json
from pathlib import Path

from millstream import Batch, Context, Millstream

mill = Millstream(state=".millstream", workers=4)


@mill.files("incoming/", capacity="10MB", settle="0s", retries=2)
def report(bucket: Batch, context: Context) -> None:
    """Count the lines of the files, and leave the sum under the id of the bucket, whole or not at all."""
    lines = sum(Path(file.path).read_bytes().count(b"\n") for file in bucket.files)
    row = {"bucket": bucket.id, "files": len(bucket), "bytes": bucket.size_bytes, "lines": lines}
    part = Path(f"reports/.{bucket.id}.{context.attempt}")
    part.write_text(json.dumps(row) + "\n", encoding="utf-8")
    part.replace(f"reports/{bucket.id}.json")


if __name__ == "__main__":
    Path("reports").mkdir(exist_ok=True)
    ended = mill.run()
    raise SystemExit(ended.exit)
