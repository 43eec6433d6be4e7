# ruff: noqa: INP001 - a script
"""Kept inputs of a fuzz target, as one file of hexadecimal lines instead of a file for each.

`corpus.py unpack TARGET` makes the folder that cargo-fuzz wants, with every line of the seeds beside them;
`corpus.py pack TARGET` writes what is in it, after `cargo fuzz cmin TARGET`.
"""

import sys
from hashlib import sha1
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
LONGEST_BYTES = 120


def main(verb: str, target: str) -> None:
    """Pack or unpack the inputs of a target."""
    folder, packed = CORPUS / target, CORPUS / f"{target}.hex"
    if verb == "pack":
        inputs = sorted({file.read_bytes() for file in folder.iterdir()}, key=lambda each: (len(each), each))
        packed.write_text("".join(f"{each.hex()}\n" for each in inputs if 0 < len(each) <= LONGEST_BYTES), "ascii")
        return
    folder.mkdir(exist_ok=True)
    lead = b"\x00\x00" if target == "ranges" else b""
    seeds = [lead + line for file in CORPUS.glob("*.jsonl") for line in file.read_bytes().split(b"\n") if line]
    kept = [bytes.fromhex(line) for line in packed.read_text("ascii").split()] if packed.exists() else []
    for each in (*seeds, *kept):
        (folder / sha1(each, usedforsecurity=False).hexdigest()).write_bytes(each)


if __name__ == "__main__":
    main(*sys.argv[1:])
