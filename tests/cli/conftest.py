"""The command line, called in this process."""

import sys
import warnings

import pytest

from tokensphere.cli import main


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """`call("predict", "--beta", 5)` -> (exit code, stdout, stderr), in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tokensphere", *map(str, arguments)])
        capsys.readouterr()
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Cyclopts application invoked without tokens")
                main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run
