"""The settings that all pipelines of one engine share."""

from dataclasses import dataclass

from millstream.config.option import _option
from millstream.config.readers import (
    DASHBOARD,
    one_of,
    read_dashboard,
    read_duration,
    read_speed,
    read_text,
    unless_off,
)


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """What all pipelines of one engine share."""

    state: str = _option(read_text, ".millstream", example=".millstream", text="folder of ledger and spool")
    speed: float = _option(read_speed, "1", example="300", text="how many times faster the engine's clock runs")
    drain: str = _option(
        one_of("keep", "close"), "keep", example="close", text="open minibatches at a stop: keep or close"
    )
    drain_limit: float = _option(
        read_duration, "30s", example="30s", text="real time that running attempts get at a stop"
    )
    keep: float = _option(read_duration, "7d", example="7d", text="how long finished batches are remembered")
    dashboard: str | None = _option(
        unless_off(read_dashboard),
        None,
        example=DASHBOARD,
        text=f"show a page at this address of the machine while the engine runs (without an address: {DASHBOARD})",
        bare=DASHBOARD,
    )
