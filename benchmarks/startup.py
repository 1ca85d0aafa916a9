"""Show what takes time in a cold start of the built functions, with the Python version of the Runtime: `make startup`.

Every line is the median of new processes. The floor is what every function needs: to import boto3 and to create the
clients that the function has created before its first call to AWS.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mfa_guard_cli.stack.template import Stack, load_template

ROOT: Final = Path(__file__).parents[1]
RUNS: Final = 15
MAX_RATIO: Final = 1.25

# The first event of each function. No event reaches AWS.
_EVENTS: Final[Mapping[str, str]] = {
    "UserEventFunction": "events/create-user.json",
    "AlertFunction": "events/tampering-topic-deleted.json",
    "SweepFunction": "",
}
_SWEEP: Final = {"id": "sweep-1", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}

# Runs with the Python version of the Runtime, and ends with the first request that botocore would send.
_GUARD: Final = """
import importlib, json, os, sys, time
event, module = json.loads(sys.stdin.read()), sys.argv[1]
marks, begin = {}, time.process_time()
def mark(name):
    global begin
    now = time.process_time()
    marks[name], begin = now - begin, now
import boto3; from botocore.config import Config
mark("boto3")
import aws_lambda_powertools
mark("Powertools")
handler = importlib.import_module(module).lambda_handler
mark("mfa-guard")
import botocore.session, botocore.endpoint
made = []
create = botocore.session.Session.create_client
def record(self, service, *arguments, **more):
    made.append(service)
    return create(self, service, *arguments, **more)
def stop(*arguments, **more):
    mark("first event, up to its first call")
    print(json.dumps({"marks": marks, "clients": made, "modules": len(sys.modules)}), flush=True)
    os._exit(0)
botocore.session.Session.create_client = record
botocore.endpoint.Endpoint.make_request = stop
class Context:
    function_name = "mfa-guard"
    memory_limit_in_mb = 512
    aws_request_id = "1"
    invoked_function_arn = os.environ["FUNCTION_ARN"]
    get_remaining_time_in_millis = staticmethod(lambda: 60_000)
sys.stdout.flush()
handler(event, Context())
sys.exit("the function called no AWS API")
"""
_FLOOR: Final = """
import json, sys, time
begin = time.process_time()
import boto3; from botocore.config import Config
for service in sys.argv[1:]:
    boto3.client(service, config=Config(connect_timeout=1))
print(json.dumps(time.process_time() - begin))
"""


def main() -> None:
    """Print the table. Exit with 1 if UserEventFunction takes more than MAX_RATIO times its floor."""
    stack = load_template().render(parameters={"Mode": "all"})
    python, boto3 = _runtime(stack), next((ROOT / ".tools/lambda/lib").glob("python*/site-packages"))
    print(f"{_version(python)}, medians of {RUNS} new processes, CPU milliseconds\n")
    ratios = {function: _measure(stack, function, python, boto3) for function in _EVENTS}
    if ratios["UserEventFunction"] > MAX_RATIO:
        sys.exit(f"UserEventFunction takes more than {MAX_RATIO} times its floor up to its first call.")


def _measure(stack: Stack, function: str, python: str, boto3: Path) -> float:
    folder = ROOT / ".aws-sam/build" / function
    if not folder.is_dir():
        sys.exit("The functions are not built. Run make build.")
    handler = str(stack.resource(function).properties["Handler"]).removesuffix(".lambda_handler")
    event = (ROOT / _EVENTS[function]).read_text("utf-8") if _EVENTS[function] else json.dumps(_SWEEP)
    environment = _environment(stack, function, (folder, boto3))
    first = json.loads(_run(python, _GUARD, [handler], event, environment))
    clients: list[str] = first["clients"]
    _run(python, _FLOOR, clients, "", environment)
    marks, floors = list[dict[str, float]](), list[float]()
    for _ in range(RUNS):
        marks.append(json.loads(_run(python, _GUARD, [handler], event, environment))["marks"])
        floors.append(float(json.loads(_run(python, _FLOOR, clients, "", environment))))
    totals = [sum(each.values()) for each in marks]
    # In pairs, because the speed of a shared machine varies.
    ratio = statistics.median(total / floor for total, floor in zip(totals, floors, strict=True))
    print(f"{function}: {first['modules']} modules; clients created by then: {', '.join(clients)}")
    for name in marks[0]:
        print(f"  {name:36}{statistics.median(each[name] for each in marks) * 1000:8.0f}")
    print(f"  {'total':36}{statistics.median(totals) * 1000:8.0f}")
    print(f"  {'floor':36}{statistics.median(floors) * 1000:8.0f}   {ratio:.2f} x the floor, median of pairs\n")
    return ratio


def _environment(stack: Stack, function: str, path: Sequence[Path]) -> Mapping[str, str]:
    dropped = ("AWS_", "POWERTOOLS_", "PYTHON")
    own = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {
        **own,
        **stack.environment(function),
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DEFAULT_REGION": stack.region,
        "AWS_REGION": stack.region,
        "FUNCTION_ARN": str(stack.resolve({"Fn::GetAtt": [function, "Arn"]})),
        "PYTHONPATH": os.pathsep.join(map(str, path)),
    }


def _run(python: str, code: str, arguments: Sequence[str], given: str, environment: Mapping[str, str]) -> str:
    command = [python, "-c", code, *arguments]
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"A measured process failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip().splitlines()[-1]


def _runtime(stack: Stack) -> str:
    version = str(stack.resource("UserEventFunction").properties["Runtime"])
    for folder in os.get_exec_path():
        candidate = Path(folder) / version
        # The shim of a version manager exists, but may not run.
        if (
            candidate.is_file()
            and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return str(candidate)
    print(f"{version} is not on PATH. This Python is measured instead, and has to compile the built code first.")
    return sys.executable


def _version(python: str) -> str:
    return subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
