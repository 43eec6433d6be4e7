"""Has the markers of chunks in Kafka deleted, by a process that may come to grief over it."""

import asyncio
import sys
from collections.abc import Sequence

from millstream.core.address import parse_address
from millstream.errors import BrokerError

LIMIT_S = 120.0


async def forget_markers(sink: str, batch_ids: Sequence[str]) -> None:
    """Delete the markers of these chunks in the topic `sink`; raises BrokerError when some of them stay."""
    brokers = parse_address(sink).brokers
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a module in the folder of the user must not stand in for one of ours
        "-m",
        "millstream.adapters.kafka.forgetting",
        brokers,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            await process.communicate("".join(f"{each}\n" for each in batch_ids).encode())
    except TimeoutError:
        raise BrokerError(brokers=brokers, reason=f"not all was deleted within {LIMIT_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BrokerError(brokers=brokers, reason="some could not be deleted")
