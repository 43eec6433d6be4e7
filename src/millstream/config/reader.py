"""Reads settings of one kind, the environment included, and collects what is wrong with them."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from millstream.config.option import Option, Settings, options_of, word_of
from millstream.errors import ConfigurationError, InvalidValueError

ENVIRONMENT_PREFIX = "MILLSTREAM_"


class Reader:
    """Reads settings and collects every problem; `raise_problems` ends with all of them together."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, kind: type[Settings], values: Mapping[str, object], *, where: str) -> Settings:
        """Build settings of `kind` from `values`, over which the environment goes first."""
        options = options_of(kind)
        values = {name if name in options else f"{name}_": value for name, value in values.items()}
        self.refuse_unknown(values, known=options, where=where)
        result: dict[str, object] = {}
        for name, option in options.items():
            variable = ENVIRONMENT_PREFIX + word_of(name).upper()
            if variable in self._environment:
                self._keep(result, name, option, self._environment[variable], where=f"{variable}: ")
            elif name in values:
                self._keep(result, name, option, values[name], where=where)
            elif option.is_required:
                self.problems.append(f"{where}{word_of(name)}: expected {option.help}, found nothing")
        return kind(**cast("Any", result))

    def readable(self, kind: type[Settings], values: Mapping[str, object], *, where: str) -> dict[str, object]:
        """Those of `values` that can be settings of `kind`, as they are; the others become problems."""
        result: dict[str, object] = {}
        for name, option in options_of(kind).items():
            if name in values:
                self._keep(result, name, option, values[name], where=where)
        return {name: values[name] for name in result}

    def refuse_unknown(self, names: Iterable[str], *, known: Collection[str], where: str) -> None:
        """Every name that is not known is a problem."""
        words = [word_of(name) for name in known]
        self.problems += [
            f"{where}{word_of(name)}: {_unknown(word_of(name), words)}" for name in names if name not in known
        ]

    def _keep(self, result: dict[str, object], name: str, option: Option, value: object, *, where: str) -> None:
        try:
            result[name] = option.read(value, word_of(name))
        except InvalidValueError as error:
            self.problems.append(f"{where}{error}")
        except (TypeError, OverflowError):  # a list where a number should be; a number beyond all others
            problem = f"expected a value such as {option.example}, found {value!r}"
            self.problems.append(f"{where}{word_of(name)}: {problem}")

    def raise_problems(self) -> None:
        """Raise ConfigurationError when there are any."""
        if self.problems:
            # Once each: a variable of the environment is read for every pipeline.
            raise ConfigurationError(list(dict.fromkeys(self.problems)))


def _unknown(name: str, known: Collection[str]) -> str:
    import difflib  # noqa: PLC0415 - nobody else asks for it

    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"unknown key; {hint}"


def _without(environment: Mapping[str, str], given: set[str]) -> dict[str, str]:
    """The environment less what the command line said."""
    hidden = {ENVIRONMENT_PREFIX + word_of(name).upper() for name in given}
    return {variable: value for variable, value in environment.items() if variable not in hidden}
