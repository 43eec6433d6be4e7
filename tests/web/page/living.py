"""A real server over a real ledger in a thread of the test, whose chunks the test works one by one."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import uvicorn
from fastapi import FastAPI

from millstream.core.ingestion import Acceptance, Act, Action, Explain
from millstream.core.model import Retry
from millstream.core.splitting import Rejected
from millstream.web import Wanted
from web.serving import FolderService, app_of

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
END_S = 10.0


class Serving:
    """An app on a port of its own, in a thread; `stop` and `start` keep the port."""

    def __init__(self, make: Callable[[], Awaitable[FastAPI]]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="serving", daemon=True)
        self._thread.start()
        self._server: uvicorn.Server | None = None
        self._serving: Future[None] | None = None
        with socket.socket() as finder:
            finder.bind(("127.0.0.1", 0))
            self.port = finder.getsockname()[1]

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the loop of the server."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(END_S)

    def start(self) -> Self:
        """Serve; returns when requests are taken."""
        began = threading.Event()
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(began), self._loop)
        assert began.wait(END_S)
        return self

    async def _serve(self, began: threading.Event) -> None:
        app = await self._make()
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_level="critical", timeout_graceful_shutdown=1, ws="none"
        )
        self._server = uvicorn.Server(config)
        socket_ = socket.create_server(("127.0.0.1", self.port))
        began.set()  # from here on, connections wait to be accepted
        self._room = app.state.room
        await self._server.serve(sockets=[socket_])
        socket_.close()

    def stop(self) -> None:
        """Serve nothing any more; open connections end."""
        assert self._server is not None
        assert self._serving is not None
        self._loop.call_soon_threadsafe(self._room.close)
        self._server.should_exit = True
        self._serving.result(END_S)

    def close(self) -> None:
        """End the thread."""
        if self._serving is not None and not self._serving.done():
            self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_S)
        self._loop.close()


class Mill(Serving):
    """The API with its page over a `FolderService`."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.service: FolderService
        super().__init__(self._app)
        self._settings = {"look_every_s": 0.05, **settings}
        self.service = self.run(self._open(folder))
        self.start()

    async def _open(self, folder: Path) -> FolderService:
        return FolderService(folder)

    async def _app(self) -> FastAPI:
        return app_of(self.service, **self._settings)

    def accept(self, name: str = "data.csv") -> str:
        """A new job."""
        return self.run(self._accept(name)).message_id

    async def _accept(self, name: str) -> Acceptance:
        return await self.service.accept(Wanted(container="test", file_name=name, principal=""))

    def plan(self, chunks: int, *, size_bytes: int = 1_000_000) -> None:
        """Work the plan step of the oldest job that has none."""
        self.run(self.service.plan(chunks=chunks, records=1000, size_bytes=size_bytes))

    def work(self, *, rejects: Sequence[Rejected] = ()) -> None:
        """Work a chunk."""
        self.run(self.service.work(rejects=rejects))

    def fail(self, reason: str) -> None:
        """Work a chunk in vain, for the last time."""
        self.run(self._fail(reason))

    async def _fail(self, reason: str) -> None:
        job = await self.service.claim()
        await self.service.finish(job, outcome=Retry(error=reason), bury=True)

    def begin(self) -> None:
        """Let a chunk run."""
        self.run(self.service.claim())

    def wait_for(self, message_id: str, reason: str) -> None:
        """Let a job wait."""
        self.run(self.service.ledger.do(Explain(message_id=message_id, reason=reason, at=self.service.now())))

    def act(self, message_id: str, action: Action) -> None:
        """Do something to a job from outside."""
        self.run(self.service.ledger.do(Act(message_id=message_id, action=action, at=self.service.now())))

    def status(self, message_id: str) -> str:
        """The status of a job."""
        return self.run(self.service.status(message_id))

    def close(self) -> None:
        """End the server and the ledger."""
        if self._serving is not None and not self._serving.done():
            self.stop()
        self.run(self.service.close())
        super().close()
