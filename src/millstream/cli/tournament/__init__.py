"""The verb `tournament`: seating plans, and live events that are kept in one file.

Theory of operation: each command loads the event, asks the package `millstream.tournament` and shows the answer; what
changes the event is written back before anything is shown. The package stands alone, so its errors become Millstream's
here.
"""

from millstream.cli.tournament.parser import add_parser

__all__ = ["add_parser"]
