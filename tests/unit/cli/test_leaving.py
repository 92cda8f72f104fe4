"""The end of a command."""

import subprocess
import sys

SCRIPT = "import sys, duckdb; from afflux.__main__ import main; sys.argv = ['afflux', '--version']; main()"


def test_a_command_that_has_used_duckdb_ends_without_a_word_of_leaks() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
