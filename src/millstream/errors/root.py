"""The root of the tree, and what is wrong with values that people give."""


class MillstreamError(Exception):
    """Root of everything Millstream raises on purpose; its text is one line made for a person."""


class ConfigurationError(MillstreamError):
    """One or more settings are wrong; nothing was started.

    `problems` holds one line for each, all of them together.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class InvalidValueError(MillstreamError, ValueError):
    """A value cannot be read as what it should be."""

    def __init__(self, *, name: str, expected: str, found: object) -> None:
        self.name, self.expected, self.found = name, expected, found
        super().__init__(f"{name}: expected {expected}, found {found!r}")


class MissingExtraError(MillstreamError):
    """An optional part is asked for whose dependencies are not installed."""

    def __init__(self, *, extra: str, feature: str) -> None:
        super().__init__(f"{feature} needs an optional part: pip install 'millstream[{extra}]'")
