"""A known vulnerability fails `make audit`; without an answer it says so, and fails only when strict.

pip-audit itself runs, against an advisory database on this machine.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ADVISORY = {
    "id": "PYSEC-2019-179",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0"}]}],
        }
    ],
}
NOWHERE = "http://127.0.0.1:9"
HASH = "--hash=sha256:" + 64 * "0"
CLEAN, VULNERABLE = f"jmespath==1.1.0 {HASH}\n", f"flask==0.5 {HASH}\n"
# pip-audit cannot ask about an address.
UNKNOWN = f"https://example.com/own-1.0.zip {HASH}\n"


class Database(BaseHTTPRequestHandler):
    """Answers as api.osv.dev does: an empty object for a package without a known vulnerability."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"vulns": [ADVISORY]} if query["package"]["name"] == "flask" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


Audit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def audit(
    make: Callable[..., subprocess.CompletedProcess[str]], program: Callable[[str, str], Path], tmp_path: Path
) -> Audit:
    """Return a function that audits the functions' requirements; the command line has none."""
    pip_audit = Path(sys.executable).with_name("pip-audit")
    (tmp_path / ".venv" / "program.txt").touch()
    (tmp_path / "src").mkdir()

    def run(requirements: str, url: str, *variables: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "src" / "requirements.txt").write_text(requirements, "utf-8")
        cache = tmp_path / "cache"
        script = f'shift; exec {pip_audit} --vulnerability-service osv --osv-url {url} --cache-dir {cache} "$@"'
        return make("audit", "UV=true", f"RUN={program('run', script)}", *variables)

    return run


def test_a_vulnerability_fails_and_is_named_with_its_fix(audit: Audit, database: str) -> None:
    done = audit(CLEAN + UNKNOWN + VULNERABLE, database)
    assert done.returncode != 0
    assert any(line.split() == ["flask", "0.5", "PYSEC-2019-179", "1.0"] for line in done.stdout.splitlines())


def test_packages_without_a_known_vulnerability_pass(audit: Audit, database: str) -> None:
    done = audit(CLEAN, database, "AUDIT=--strict")
    assert done.returncode == 0
    assert "src/requirements.txt: No known vulnerabilities found" in done.stdout
    assert "NOT CHECKED" not in done.stdout


@pytest.mark.parametrize(
    ("requirements", "reachable"), [(CLEAN, False), (CLEAN + UNKNOWN, True)], ids=["unreachable", "unknown"]
)
def test_without_an_answer_it_says_so_and_passes(
    audit: Audit, database: str, requirements: str, reachable: bool
) -> None:
    done = audit(requirements, database if reachable else NOWHERE)
    assert done.returncode == 0
    assert "src/requirements.txt: NOT CHECKED for known vulnerabilities: " in done.stdout
    assert "src/requirements.txt: No known" not in done.stdout


@pytest.mark.parametrize(
    ("requirements", "reachable"), [(CLEAN, False), (CLEAN + UNKNOWN, True)], ids=["unreachable", "unknown"]
)
def test_without_an_answer_it_fails_when_strict(
    audit: Audit, database: str, requirements: str, reachable: bool
) -> None:
    done = audit(requirements, database if reachable else NOWHERE, "AUDIT=--strict")
    assert done.returncode != 0


def test_a_wrong_option_fails(audit: Audit, database: str) -> None:
    assert audit(CLEAN, database, "AUDIT=--nonsense").returncode != 0
