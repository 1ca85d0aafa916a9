"""The output of `sam build`, in an interpreter with only what Lambda's runtime has."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Stack, load_template
from support.local_account import ROOT

BUILT: Final = ROOT / ".aws-sam" / "build"
PYTHON: Final = ROOT / ".tools" / "lambda" / "bin" / "python"
# Prints the file of each module that a handler imports.
LOADED: Final = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""


@pytest.fixture(scope="module")
def stack() -> Stack:
    return load_template().render()


FUNCTIONS: Final = ("UserEventFunction", "AlertFunction", "SweepFunction", "TeardownFunction")


def test_every_function_of_the_template_is_built(stack: Stack) -> None:
    functions = {each.logical_id for each in stack.resources.values() if each.type == "AWS::Lambda::Function"}
    assert functions == set(FUNCTIONS)
    assert {folder.name for folder in BUILT.iterdir() if folder.is_dir()} == functions, "make build"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_built_handler_imports_only_from_its_own_folder_and_the_runtime(stack: Stack, function: str) -> None:
    handler = as_text(stack.resource(function).properties["Handler"]).rpartition(".")[0]
    folder = BUILT / function
    environment = {
        **stack.environment(function),
        "PYTHONPATH": str(folder),
        "AWS_REGION": stack.region,
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [PYTHON, "-c", LOADED, handler], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    files = {name: Path(file) for name, file in json.loads(done.stdout).items() if file}
    assert files["mfa_guard"].is_relative_to(folder)
    assert files["aws_lambda_powertools"].is_relative_to(folder)
    assert files["boto3"].is_relative_to(PYTHON.parents[1])
    assert [name for name, file in files.items() if file.is_relative_to(ROOT / "src")] == []
    assert [name for name, file in files.items() if file.is_relative_to(ROOT / "cli")] == []
    assert [name for name, file in files.items() if file.is_relative_to(ROOT / ".venv")] == []
