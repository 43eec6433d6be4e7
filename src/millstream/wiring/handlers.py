"""What works the batches of a pipeline: a function, a command, or something built in."""

import importlib
import sys
from functools import partial
from pathlib import Path

from millstream.adapters.filework import CopyTo, MergeFormat, MergeTo, Verify
from millstream.config import FilesConfig, StreamConfig
from millstream.core.model import Done, Outcome
from millstream.errors import HandlerImportError
from millstream.runtime.batch import Batch, Context, Handler, MakeHandler
from millstream.runtime.command import CommandHandler
from millstream.wiring.objects import base_of, with_files_here


def handler_of(pipeline: StreamConfig | FilesConfig) -> MakeHandler:
    """What works the batches of a pipeline; called here, so that a missing command or folder is a start-up error."""
    make = _maker_of(pipeline)
    return with_files_here(pipeline, make) if isinstance(pipeline, FilesConfig) else make


def _maker_of(pipeline: StreamConfig | FilesConfig) -> MakeHandler:
    if pipeline.command:
        command = CommandHandler(pipeline.command)
        return lambda: command
    if callable(pipeline.handler):
        function: Handler = pipeline.handler
        return lambda: function
    if pipeline.handler:
        return partial(import_function, pipeline.handler)
    if isinstance(pipeline, FilesConfig):
        return partial(_built_in, pipeline)
    return lambda: _complete


def _built_in(files: FilesConfig) -> Handler:
    if files.copy_to:
        return CopyTo(files.copy_to, base=base_of(files))
    if files.merge_to:
        return MergeTo(files.merge_to, format=MergeFormat(files.merge_format))
    return Verify() if files.verify else _complete


def _complete(batch: Batch, context: Context) -> Outcome:
    """Without a handler a batch completes as done."""
    del batch, context
    return Done()


def import_function(path: str, *, setting: str = "handler") -> Handler:
    """The function that `package.module:function` names, looked for in the working folder, too.

    Raises HandlerImportError.
    """
    module_name, _, names = path.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = importlib.import_module(module_name)
        for name in names.split("."):
            found = getattr(found, name)
    except Exception as error:  # a user's module may raise anything when it is imported
        raise HandlerImportError(handler=path, reason=f"{type(error).__name__}: {error}", setting=setting) from error
    if not callable(found):
        reason = f"{type(found).__name__} object is not callable"
        raise HandlerImportError(handler=path, reason=reason, setting=setting)
    return found
