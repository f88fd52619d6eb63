"""The lifespan of an ASGI app: started by the first invocation of each instance, ended before the instance is retired.

Not while the source is loaded: what an app opens then would be copied with the image, and secrets cannot be read there.
"""

import asyncio

from wit_world.imports.log import Level

from . import console, errors, retirement

_SCOPE = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}


class StartupFailed(Exception):
    """The app said that it cannot start."""

    # How it is shown.
    __module__ = "builtins"


class Lifespan:
    """Runs as a task beside the invocations, asleep between start and end."""

    def __init__(self, app):
        self._app = app
        self._task = None
        self._state = {}

    async def state(self):
        """What the app left in its lifespan's state, a copy for each request. Starts it where that was not done."""
        if self._task is None:
            await self._start()
        return self._state.copy()

    async def _start(self):
        loop = asyncio.get_running_loop()
        self._state.clear()
        self._shutdown, self._answers = loop.create_future(), asyncio.Queue()
        self._asked = False
        task = self._task = loop.create_task(self._run())
        try:
            answer = await self._answers.get()
        except BaseException:
            self._task = None
            raise
        if answer["type"] == "lifespan.startup.failed":
            self._task = None
            message = answer.get("message") or "it gave no reason"
            raise StartupFailed(f"the app's lifespan.startup failed: {message}")
        if answer["type"] == "lifespan.startup.complete" and not task.done():
            loop.keep(task)
            retirement.at_end(self._end)

    async def _run(self):
        """An app that fails or returns before it has answered has no lifespan."""
        try:
            await self._app({**_SCOPE, "state": self._state}, self._receive, self._answers.put)
        except Exception as error:
            if self._shutdown.done():
                console.write(Level.ERROR, errors.from_exception(error).stack)
        finally:
            await self._answers.put({"type": "none"})

    async def _receive(self):
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._shutdown
        return {"type": "lifespan.shutdown"}

    async def _end(self):
        if self._task.done() or self._task.get_loop() is not asyncio.get_running_loop():
            return
        self._shutdown.set_result(None)
        answer = await self._answers.get()
        if answer["type"] == "lifespan.shutdown.failed":
            console.write(Level.ERROR, f"the app's lifespan.shutdown failed: {answer.get('message', '')}")
