"""Connections to a Temporal server."""

import atexit
import functools
import gc
import logging
from dataclasses import dataclass, field
from datetime import timedelta

from millstream.errors import BellUnavailableError, MissingExtraError

try:
    from temporalio.client import Client
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
    from temporalio.service import GrpcCompression, RPCError
except ImportError:
    raise MissingExtraError(extra="temporal", feature='dispatcher = "temporal"') from None

TROUBLE = (RPCError, RuntimeError, OSError, TimeoutError)
"""What its package raises when a server is away, or refuses; RuntimeError for a connection that failed."""

CONNECT = timedelta(seconds=10)

logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # what there is to tell is told here, in other words


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalServer:
    """Where a server is: `target` as HOST:PORT, and a namespace that exists; `api_key` implies TLS."""

    target: str
    namespace: str = "default"
    tls: bool = False
    api_key: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """As people see it."""
        return f"temporal://{self.target}/{self.namespace}"

    def unavailable(self, error: BaseException) -> BellUnavailableError:
        """The error that people see."""
        return BellUnavailableError(address=self.address, reason=" ".join(str(error).split()) or type(error).__name__)

    async def connect(self) -> Client:
        """Connect; raises one of TROUBLE."""
        return await Client.connect(
            self.target,
            namespace=self.namespace,
            tls=self.tls or self.api_key is not None,
            api_key=self.api_key,
            connect_timeout=CONNECT,
            runtime=_runtime(),
            grpc_compression=GrpcCompression.NONE,  # ids only: packing them takes longer than sending them
        )


@functools.cache
def _runtime() -> Runtime:
    """The threads of the package; made late, because processes are forked before. They log errors only."""
    atexit.register(_let_go)
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=quiet)), worker_heartbeat_interval=None)


def _let_go() -> None:
    """End the threads before the interpreter does: one that still lets go of an object would crash it."""
    _runtime.cache_clear()
    gc.collect()
