"""What `sam build` made, imported as Lambda imports it: bare runtime, the two layers, and nothing of this machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / ".aws-sam" / "build"
RUNTIME = PROJECT / ".venv" / "runtime" / "bin" / "python"
LAYERS = ["DependenciesLayer", "AutopilotLayer"]
FUNCTIONS = ["DecideConnectionFunction", "ConvergeDnsFunction", "ReportStatusFunction", "SweepFunction"]

# Imports the handler and says where what is loaded came from.
_IMPORT = """
import json, sys
import handler
print(json.dumps(sorted({module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)})))
"""
_INVOKE = """
import types, handler
context = types.SimpleNamespace(
    function_name="f", memory_limit_in_mb=1, aws_request_id="r",
    invoked_function_arn="arn:aws:lambda:eu-central-1:111111111111:function:f",
)
handler.handler({"Records": []}, context)
"""


def in_runtime(code: str, function: str, layers: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    path = [BUILD / function, *(BUILD / layer / "python" for layer in layers)]
    variables = {"PYTHONPATH": ":".join(map(str, path)), "AWS_DEFAULT_REGION": "eu-central-1", **environment}
    return subprocess.run([RUNTIME, "-c", code], env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_needs_nothing_but_the_runtime_and_the_layers(function: str) -> None:
    done = in_runtime(_IMPORT, function, LAYERS)

    assert done.returncode == 0, done.stderr
    loaded = [Path(file) for file in json.loads(done.stdout)]
    assert BUILD / function / "handler.py" in loaded
    sources = [path for path in loaded if path.is_relative_to(PROJECT) and not path.is_relative_to(RUNTIME.parents[1])]
    assert all(path.is_relative_to(BUILD) for path in sources)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("missing", LAYERS)
def test_a_handler_does_not_start_without_one_of_its_layers(function: str, missing: str) -> None:
    done = in_runtime(_IMPORT, function, [layer for layer in LAYERS if layer != missing])

    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_setting_stops_the_function_with_the_variables_name_and_what_is_expected(function: str) -> None:
    done = in_runtime(_INVOKE, function, LAYERS, POWERTOOLS_SERVICE_NAME="s", POWERTOOLS_METRICS_NAMESPACE="n")

    assert "WrongSetting: environment variable " in done.stderr
    assert "is not set; expected " in done.stderr


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_pure_python_so_that_any_laptop_builds_it_for_arm64(layer: str) -> None:
    files = [path for path in (BUILD / layer).rglob("*") if path.is_file()]

    assert files
    assert [path for path in files if path.suffix in {".so", ".pyd", ".dylib"} or ".so." in path.name] == []


def test_the_layer_holds_the_code_of_this_checkout() -> None:
    source = PROJECT / "layers" / "autopilot" / "autopilot"
    built = BUILD / "AutopilotLayer" / "python" / "autopilot"

    def contents(root: Path) -> dict[str, str]:
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.py")}

    assert contents(built) == contents(source)
