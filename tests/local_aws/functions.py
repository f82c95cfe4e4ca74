"""Lambda functions as Lambda runs them: a bare interpreter, and an environment that holds nothing of this host.

ministack starts handlers under its own interpreter and hands them all of its own environment, so that a dependency
missing from a layer would pass every local test.
"""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from tests.local_aws import stock
from tests.local_aws.switches import Switches

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, and what ministack's worker reads itself.
GIVEN = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_TASK_ROOT", "_LAMBDA_FUNCTION_ARN", "_LAMBDA_LAYERS_DIRS", "_LAMBDA_TIMEOUT",
}  # fmt: skip


class Processes:
    """Those that were started for functions."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def start(self, arguments: list[str], *, env: Mapping[str, str], **options: Any) -> subprocess.Popen[str]:
        """As Lambda does."""
        name = env["AWS_LAMBDA_FUNCTION_NAME"]
        environment = {
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            **{key: value for key, value in env.items() if key in GIVEN},
        }
        process = subprocess.Popen(arguments, env=environment, **options)
        self._started = [*(one for one in self._started if one.poll() is None), process]
        return process

    def kill(self) -> None:
        """End all of them, whatever they do; the next invocation starts a new one."""
        for process in self._started:
            process.kill()


def install(python: Path, switches: Switches) -> Processes:
    """Run every Python function with `python`; fail its invocations while the switch says so."""
    processes = Processes()

    def interpreter(detect: Callable[..., Any], runtime: str) -> Any:
        program, worker = detect(runtime)
        return (str(python) if runtime.startswith("python") else program), worker

    def execute(stock_execute: Callable[..., Any], func: dict[str, Any], event: Any) -> Any:
        if switches.functions:
            return stock_execute(func, event)
        message = "Every function fails: the switch of the local AWS says so"
        return {"error": True, "body": {"errorType": "SwitchedOff", "errorMessage": message}, "log": message}

    stock.replace(lambda_runtime, "_detect_runtime_binary", interpreter)
    stock.replace(lambda_svc, "_execute_function", execute)
    # The worker adds the function's own variables itself; they reach it on its standard input.
    started = {**vars(subprocess), "Popen": processes.start}
    stock.need(lambda_runtime, "subprocess")
    lambda_runtime.subprocess = SimpleNamespace(**started)
    return processes
