"""Runs the suite as CI does: tests that fail run once more, one after the other, and those that pass then are FLAKY."""  # noqa: INP001 - a script, no package

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TESTS_FAILED = 1
"""pytest's exit status when it ran to its end; any other says that something else is wrong."""

MAX_RERUNS = 50
"""More failures than this are no coincidence."""

SUMMARY = re.compile(r"^(?=.*\b(?:passed|failed|errors?|no tests ran)\b).* in [\d.]+s\b.*$", re.MULTILINE)
TAIL_LENGTH = 100_000


def run_pytest(arguments: Sequence[str], cache: Path) -> tuple[int, str]:
    """The exit status and the line that sums up the run; the output is passed on."""
    command = [sys.executable, "-m", "pytest", *arguments, "-o", f"cache_dir={cache}"]
    tail = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:  # noqa: S603 - ours
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            tail = (tail + line)[-TAIL_LENGTH:]
    summaries = SUMMARY.findall(tail)
    return process.returncode, summaries[-1] if summaries else f"pytest ended with status {process.returncode}"


def failed_tests(cache: Path) -> list[str]:
    """The node ids of the last run's failures, without the group that xdist appends and without xdist's workers."""
    file = cache / "v" / "cache" / "lastfailed"
    failed: dict[str, bool] = json.loads(file.read_text()) if file.exists() else {}
    tests = (node_id for node_id in failed if "::" in node_id or node_id.endswith(".py"))
    return sorted({re.sub(r"@[^\]]*$", "", node_id) for node_id in tests})


def run_suite(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """The exit status, and the lines that report the run."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        status, summary = run_pytest(arguments, first)
        failed = failed_tests(first)
        if status != TESTS_FAILED or not 0 < len(failed) <= MAX_RERUNS:
            return status, [summary]
        print(f"\nRunning {len(failed)} failed test(s) once more, without other tests beside them", flush=True)  # noqa: T201
        status, rerun = run_pytest(["-n", "0", *failed], second)
        failed_again = set(failed_tests(second))
        flaky = [] if status > TESTS_FAILED else [node_id for node_id in failed if node_id not in failed_again]
        return status, [summary, *(f"FLAKY {node_id}" for node_id in flaky), rerun]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--report", type=Path, help="a file to append the summary and the FLAKY tests to")
    options, arguments = parser.parse_known_args()
    status, report = run_suite(arguments)
    if options.report:
        with options.report.open("a") as file:
            file.writelines(f"{line}\n" for line in report)
    else:
        print(*report, sep="\n", flush=True)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
