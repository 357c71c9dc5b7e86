"""`tools/suite.py`, which CI runs the suite with: a failed test runs once more, and what passes then is FLAKY."""

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[2] / "tools" / "suite.py"

PASSES = "def test_that_passes(): pass"
FLAKY = """
import pathlib, pytest

@pytest.mark.xdist_group("a group")
@pytest.mark.parametrize("value", ["a@b.example"])
def test_that_fails_once(value):
    ran = pathlib.Path(__file__).with_suffix(".ran")
    if not ran.exists():
        ran.touch()
        pytest.fail("only the first time")
"""
FAILS = "def test_that_always_fails(): assert False"
DIFFERS = """
import os, pytest

@pytest.mark.parametrize("value", [os.getpid()])
def test_with_an_id_of_its_own(value): pass
"""
FLAKY_ID = "test_flaky.py::test_that_fails_once[a@b.example]"


def run(folder: Path, *, report: Path | None = None, **files: str) -> subprocess.CompletedProcess[str]:
    for name, content in files.items():
        (folder / f"test_{name}.py").write_text(content)
    options = ["-n", "2", "--dist", "loadgroup", *(["--report", str(report)] if report else [])]
    command = [sys.executable, str(SUITE), *options, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_suite_that_passes_runs_once(tmp_path: Path) -> None:
    done = run(tmp_path, passes=PASSES)
    assert done.returncode == 0
    assert "FLAKY" not in done.stdout
    assert "1 passed in" in done.stdout.splitlines()[-1]


def test_a_test_that_passes_the_second_time_is_reported_and_fails_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, passes=PASSES, flaky=FLAKY)
    assert done.returncode == 0
    summary, flaky, rerun = done.stdout.splitlines()[-3:]
    assert "1 failed, 1 passed in" in summary
    assert flaky == f"FLAKY {FLAKY_ID}"
    assert "1 passed in" in rerun


def test_a_test_that_fails_again_fails_the_suite(tmp_path: Path) -> None:
    done = run(tmp_path, flaky=FLAKY, fails=FAILS)
    assert done.returncode == 1
    flaky, rerun = done.stdout.splitlines()[-2:]
    assert flaky == f"FLAKY {FLAKY_ID}"
    assert "1 failed, 1 passed in" in rerun


def test_processes_that_collect_different_tests_fail_the_suite(tmp_path: Path) -> None:
    done = run(tmp_path, differs=DIFFERS)
    assert done.returncode == 1
    assert "once more" not in done.stdout


def test_a_suite_that_cannot_run_keeps_its_exit_status(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_reports_are_gathered_in_a_file(tmp_path: Path) -> None:
    report = tmp_path / "report"
    run(tmp_path, report=report, passes=PASSES)
    run(tmp_path, report=report, flaky=FLAKY)
    assert [line.split()[0] for line in report.read_text().splitlines() if "FLAKY" in line] == ["FLAKY"]
    assert len(report.read_text().splitlines()) == 4
