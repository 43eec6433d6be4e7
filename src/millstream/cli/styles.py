"""How the states of batches look in a terminal."""

from millstream.core.lifecycle import State

STATE_STYLES: dict[str, str] = {
    State.OPEN: "cyan",
    State.READY: "blue",
    State.RUNNING: "yellow",
    State.WAITING: "magenta",
    State.DONE: "green",
    State.DISCARDED: "dim",
    State.DEAD: "bold red",
}
