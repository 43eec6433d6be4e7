"""The public interface is whole: one name for one setting, everywhere, and nothing public by accident."""

from types import ModuleType
from typing import get_type_hints

import pytest

import millstream
from millstream import Batch, Context, Millstream, testing
from millstream.config import EngineConfig, FilesConfig, StreamConfig, WorkConfig, options_of
from millstream.mill import EngineKeywords, FilesKeywords, StreamKeywords

NOT_KEYWORDS = {"source", "paths", "handler", "command", "copy_to", "merge_to", "merge_format", "verify"}
"""In Python the first two are arguments, and the decorated function is what works a batch."""


@pytest.mark.parametrize(
    ("keywords", "settings"),
    [(EngineKeywords, EngineConfig), (StreamKeywords, StreamConfig), (FilesKeywords, FilesConfig)],
    ids=["Millstream", "stream", "files"],
)
def test_keywords_are_the_settings(keywords, settings):
    """What can be written in TOML can be written in Python, under the same name."""
    assert set(get_type_hints(keywords)) == options_of(settings).keys() - NOT_KEYWORDS


def test_every_pipeline_can_have_every_setting_of_work():
    """How batches are worked is a matter of streams and of files."""
    shared = options_of(WorkConfig).keys()

    assert shared <= options_of(StreamConfig).keys()
    assert shared <= options_of(FilesConfig).keys()


@pytest.mark.parametrize("module", [millstream, testing], ids=["millstream", "millstream.testing"])
def test_all_is_sorted_and_complete(module):
    """`__all__` has what the module imports for its users, in the order that ruff's RUF022 wants."""
    public = {
        name for name in dir(module) if not name.startswith("_") and not isinstance(getattr(module, name), ModuleType)
    }

    assert set(module.__all__) == public
    assert len(module.__all__) == len(public)
    assert sorted(module.__all__, key=lambda name: (name[0].islower(), name)) == module.__all__


def test_the_name_of_a_handler_is_the_name_of_its_pipeline():
    """Batch ids begin with the function's name, unless the pipeline is given another one."""
    mill = Millstream()

    @mill.stream("-")
    def clicks(batch: Batch, context: Context) -> None: ...

    @mill.files(".", name="nightly")
    def archive(batch: Batch, context: Context) -> None: ...

    assert [pipeline.name for pipeline in mill.config.pipelines] == ["clicks", "nightly"]


def test_all_mistakes_of_a_program_are_told_together():
    """Wrong keywords of the engine and of each pipeline come in one error, and again when asked again."""
    mill = Millstream(drain="perhaps")

    @mill.stream("-", window="soon")
    def clicks(batch: Batch, context: Context) -> None: ...

    for _ in range(2):
        with pytest.raises(millstream.ConfigurationError) as caught:
            mill.run()
        assert [problem.split(",")[0] for problem in caught.value.problems] == [
            "Millstream: drain: expected one of keep",
            "clicks: window: expected a duration such as 5m",
        ]
