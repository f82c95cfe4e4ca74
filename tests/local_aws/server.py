"""The process of the local AWS: ministack with our mends, on 127.0.0.1 only. Started by `control.py`.

Beside AWS's APIs it answers `GET /_autopilot/iam` (the journal of IAM decisions), `POST /_autopilot/switch` (what is
broken, see switches.py), `POST` and `GET /_autopilot/fault` (what befalls single calls, see faults.py),
`POST /_autopilot/move` (an account, see organizations.py) and ministack's own `POST /_ministack/reset`, which empties
everything here too.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app
from ministack.services import eventbridge, scheduler

from tests.local_aws import enforcement, functions, load_balancers, ministack_door, provisioning, queues, stock
from tests.local_aws.delivery import Deliveries, Later
from tests.local_aws.faults import Call, Fault, Faults
from tests.local_aws.mail import Mail
from tests.local_aws.streams import Mappings
from tests.local_aws.switches import Switches

HOST = "127.0.0.1"

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]


class Server:
    """An ASGI application: our own paths first, ministack for everything else."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.switches, self.faults, self.journal, later = Switches(), Faults(), enforcement.Journal(), Later()
        permissions = enforcement.Permissions(self.journal)
        deliveries = Deliveries(later, permissions, self.switches, seconds_to_event=options.seconds_to_event)
        doors = ministack_door.install(
            on_record=deliveries.cloudtrail,
            on_notification=deliveries.notification,
            seconds_to_available=options.seconds_to_available,
            seconds_to_insync=options.seconds_to_insync,
        )

        def switch(**wanted: str) -> None:
            self.switches.set(**wanted)
            doors.organizations.state = self.switches.organizations

        self._commands: dict[object, Callable[..., None]] = {
            ("POST", "/_autopilot/switch"): switch,
            ("POST", "/_autopilot/fault"): self.faults.add,
            ("POST", "/_autopilot/move"): doors.organizations.move,
        }
        mail = Mail(options.mail_dir, f"http://{HOST}:{options.port}", permissions)
        move_tasks = queues.install()
        Mappings(permissions, options.longest_batching_window)
        enforcement.install(self.journal, doors.privatelink.tags_of, doors.organizations.organization_of)
        self._processes = functions.install(options.runtime_python, self.switches)
        load_balancers.install()
        provisioning.install(doors.privatelink, mail.ask_to_confirm)

        def reset(reset_ministack: Callable[[], None]) -> None:
            later.reset()
            reset_ministack()
            for state in (mail, self.switches, self.faults, self.journal):
                state.reset()
            for table in (move_tasks, scheduler._schedule_last_fired):
                table.clear()

        stock.replace(app, "_reset_all_state", reset)
        stock.need(eventbridge, "_SCHEDULER_TICK_INTERVAL")
        stock.need(scheduler, "_SCHEDULE_TICK_INTERVAL", "_schedule_last_fired")
        eventbridge._SCHEDULER_TICK_INTERVAL = scheduler._SCHEDULE_TICK_INTERVAL = 1  # seconds; ten in ministack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["type"] == "http" and (scope["method"], scope["path"])
        if route == ("GET", "/_autopilot/iam"):
            await _answer(send, 200, self.journal.rows())
        elif route == ("GET", "/_autopilot/fault"):
            await _answer(send, 200, self.faults.pending())
        elif route in self._commands:
            try:
                self._commands[route](**json.loads(await _body(receive)))
                await _answer(send, 200, {})
            except ValueError as problem:
                await _answer(send, 400, {"message": str(problem)})
        elif self.faults.are_pending and route:
            await self._call(scope, await _body(receive), send)
        else:
            await app.app(scope, receive, send)

    async def _call(self, scope: Scope, body: bytes, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        call = Call.read(scope["method"], scope["path"], headers, body)
        fault = self.faults.take(call)
        if fault is None or fault.has_effect:
            await app.app(scope, _receiving(body), _nobody if fault else send)
        match fault:
            case Fault.KILLED:
                self._processes.kill()
            case Fault.UNANSWERED:
                await _send(send, 500, b"")
            case Fault():
                await _send(send, 400, call.refusal(fault))


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _receiving(body: bytes) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    return receive


async def _nobody(_message: dict[str, Any]) -> None:
    """Where an answer goes that is lost."""


async def _answer(send: Send, status: int, answer: object) -> None:
    await _send(send, status, json.dumps(answer).encode())


async def _send(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json" if body[:1] in b"{[" else b"text/xml")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until terminated. Times are seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mail-dir", type=Path, required=True)
    parser.add_argument("--runtime-python", type=Path, required=True)
    parser.add_argument("--seconds-to-available", type=float, required=True)
    parser.add_argument("--seconds-to-insync", type=float, required=True)
    parser.add_argument("--seconds-to-event", type=float, required=True)
    parser.add_argument("--longest-batching-window", type=float, required=True)
    options = parser.parse_args()
    config = Config()
    config.bind = [f"{HOST}:{options.port}"]
    config.keep_alive_timeout = 75
    asyncio.run(serve(Server(options), config))


if __name__ == "__main__":
    main()
