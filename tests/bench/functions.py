"""The built functions through Lambda's own runtime client, beside a handler of two lines that makes one EC2 client."""

from __future__ import annotations

import json
import math
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.bench.measurement import Measurement

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / ".aws-sam" / "build"
PYTHON = PROJECT / ".venv" / "runtime" / "bin" / "python"
LAYERS = ("DependenciesLayer", "AutopilotLayer")
FUNCTIONS = ("DecideConnectionFunction", "ConvergeDnsFunction", "ReportStatusFunction", "SweepFunction")
TWO_LINES = "import boto3\nec2 = boto3.client('ec2')\n\ndef handler(event, context):\n    return {}\n"
_ROUNDS = 9
_WARM = 20
_ARN = "arn:aws:lambda:eu-central-1:111111111111:function:bench"
_TABLE, _QUEUE, _TOPIC = "a-table", "https://sqs/queue", "arn:aws:sns:eu-central-1:111111111111:topic"
# Every variable that any function reads.
ENVIRONMENT = {
    **dict.fromkeys(("ALLOWLIST_TABLE", "LEDGER_TABLE"), _TABLE),
    **dict.fromkeys(("REQUESTS_QUEUE_URL", "DNS_QUEUE_URL"), _QUEUE),
    **dict.fromkeys(("REQUESTS_DEAD_LETTERS_URL", "DNS_DEAD_LETTERS_URL"), _QUEUE),
    **dict.fromkeys(("STATUS_TOPIC_ARN", "ALARM_TOPIC_ARN", "NOTIFICATION_TOPIC_ARN"), _TOPIC),
    **dict.fromkeys(
        ("NAME_GRACE_HOURS", "DRIFT_CHECK_HOURS", "FOREIGN_DRIFT_CHECK_HOURS", "HELD_REMINDER_HOURS"), "24"
    ),
    "MODE": "enforce",
    "UNLISTED": "hold",
    "ON_REVOKED": "keep",
    "MANAGE_PERMISSIONS": "false",
    "BUS_NAME": "bus",
    "MAX_DISRUPTIONS": "5",
    "MAX_DISRUPTIONS_PERCENT": "10",
    "RECORD_TTL": "60",
    "EMAIL_ON": "held,ready",
    "ALLOWED_PRINCIPALS": "",
    "ORGANIZATION_ID": "",
    "ORGANIZATIONS_ROLE_ARN": "",
    "PUBLIC_RESOLVER": "",
    "CONSUMER_PARAMETERS": "ProviderAccount=111111111111",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "bench",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_LOG_GROUP_NAME": "x",
    "AWS_LAMBDA_LOG_STREAM_NAME": "x",
    "PATH": "/usr/bin:/bin",
}


# Invocations that call nothing of AWS: no records, and a message about a call that AWS refused.
_NOTHING: dict[str, Any] = {"Records": []}
_REFUSED = {"detail-type": "AWS API Call via CloudTrail", "detail": {"errorCode": "Client.UnauthorizedOperation"}}
_MESSAGE = {
    "messageId": "m",
    "receiptHandle": "r",
    "body": json.dumps(_REFUSED),
    "attributes": {"ApproximateReceiveCount": "1"},
    "messageAttributes": {},
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:eu-central-1:111111111111:queue",
    "awsRegion": "eu-central-1",
}
_EVENTS = {name: {"Records": [_MESSAGE]} for name in ("DecideConnectionFunction", "ConvergeDnsFunction")}


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the process's start until it asks for work, and until the first is done; of one invocation more;
    and the most memory it had, in MB."""

    ready: float
    first_done: float
    warm: float
    megabytes: float


@dataclass
class RuntimeApi:
    """The API that Lambda gives a runtime, on loopback.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    event: Any
    asked_at: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer in one packet, at once; otherwise TCP would hold back its second half for 40 ms.
            wbufsize, disable_nagle_algorithm = 65536, True

            def do_GET(self) -> None:
                api.asked_at.append(time.perf_counter())
                if len(api.asked_at) > _WARM:
                    api.is_over.set()
                    self.close_connection = True
                    return
                deadline = str(int((time.time() + 300) * 1000))
                self._answer(
                    200,
                    json.dumps(api.event).encode(),
                    {
                        "Lambda-Runtime-Aws-Request-Id": f"request-{len(api.asked_at)}",
                        "Lambda-Runtime-Invoked-Function-Arn": _ARN,
                        "Lambda-Runtime-Deadline-Ms": deadline,
                    },
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith("/error"):
                    api.errors.append(body.decode())
                    api.is_over.set()
                api.answered_at.append(time.perf_counter())
                self._answer(202, b"{}", {})

            def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                """Nothing: this is a bench."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> RuntimeApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"


def start(directory: Path) -> Start:
    """Start the function of a directory anew, and give it its invocations. Raises RuntimeError when it fails.

    The layers lie beside it. As in Lambda nothing that is compiled is kept: the artifact has none, and is read-only.
    """
    path = ":".join(str(directory.parent / layer / "python") for layer in LAYERS)
    with RuntimeApi(_EVENTS.get(directory.name, _NOTHING)) as api:
        environment = {**ENVIRONMENT, "AWS_LAMBDA_RUNTIME_API": api.address, "LAMBDA_TASK_ROOT": str(directory)}
        environment |= {"PYTHONPATH": f"{directory}:{path}", "PYTHONDONTWRITEBYTECODE": "1"}
        began = time.perf_counter()
        process = subprocess.Popen(
            [PYTHON, "-m", "awslambdaric", "handler.handler"],
            cwd=directory,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        is_over = api.is_over.wait(60)
        megabytes = _peak_megabytes(process.pid)
        process.terminate()
        process.wait()
        if api.errors or not is_over:
            raise RuntimeError(f"{directory.name}: {api.errors or 'did nothing for a minute'}")
        warm = statistics.median(
            answered - asked for asked, answered in zip(api.asked_at[1:], api.answered_at[1:], strict=False)
        )
        return Start(api.asked_at[0] - began, api.answered_at[0] - began, warm, megabytes)


def _peak_megabytes(pid: int) -> float:
    """What Linux knows of a process that still runs; nothing elsewhere."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(peak[1]) / 1024 if peak else math.nan


@contextmanager
def artifacts() -> Iterator[Path]:
    """What is uploaded: the build without what Python has compiled of it since."""
    with tempfile.TemporaryDirectory() as directory:
        build = Path(directory) / "build"
        shutil.copytree(BUILD, build, ignore=shutil.ignore_patterns("__pycache__"))
        yield build


def starting() -> list[Measurement]:
    """Every function and the two lines by turns, so that whatever the machine does befalls all."""
    found: list[Measurement] = []
    with artifacts() as build:
        two_lines = build / "TwoLines"
        two_lines.mkdir()
        (two_lines / "handler.py").write_text(TWO_LINES)
        directories = {"two lines": two_lines, **{name: build / name for name in FUNCTIONS}}
        starts: dict[str, list[Start]] = {name: [] for name in directories}
        for directory in directories.values():
            start(directory)  # what is read from the disk once
        for _ in range(_ROUNDS):
            for name, directory in directories.items():
                starts[name].append(start(directory))
    # The quickest of each: what the machine does beside is not ours.
    base = min(one.ready for one in starts["two lines"])
    warm_base = min(one.warm for one in starts["two lines"])
    found.append(Measurement("two lines with one EC2 client: cold start", base * 1000, "ms"))
    found.append(Measurement("two lines with one EC2 client: a warm invocation", warm_base * 1000, "ms"))
    for name in FUNCTIONS:
        mine = starts[name]
        ratio, warm = min(one.ready for one in mine) / base, min(one.warm for one in mine)
        done = min(one.first_done for one in mine) / base
        found += [
            Measurement(f"{name}: cold start until it takes work, against the two lines", ratio, "times", 1.0),
            Measurement(f"{name}: the same until its first invocation is done", done, "times"),
            Measurement(f"{name}: a warm invocation without work", warm * 1000, "ms"),
            Measurement(f"{name}: the same against the two lines", warm / warm_base, "times"),
            Measurement(f"{name}: peak memory", max(one.megabytes for one in mine), "MB of 512"),
        ]
    return found


def sizes() -> list[Measurement]:
    """What is uploaded, unpacked."""

    def kilobytes(name: str) -> float:
        return sum(file.stat().st_size for file in (build / name).rglob("*") if file.is_file()) / 1024

    with artifacts() as build:
        return [Measurement(f"{name}: size, unpacked", kilobytes(name), "KB") for name in (*FUNCTIONS, *LAYERS)]
