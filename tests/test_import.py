"""The package and its command line start without the heavy libraries."""

import subprocess
import sys

import pytest

HEAVY = {"jax", "jaxlib", "scipy", "diffrax", "equinox", "zarr", "xarray", "matplotlib", "ducc0"}


def loaded_after(code):
    """Which heavy libraries a fresh interpreter has loaded after running `code`."""
    script = f"import sys\n{code}\nprint('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def test_import_is_light():
    assert loaded_after("import tokensphere; tokensphere.__version__; dir(tokensphere)") == set()


def test_the_check_sees_a_heavy_import():
    assert loaded_after("import tokensphere; tokensphere.simulate") >= {"jax", "scipy"}


@pytest.mark.parametrize(
    "command", ["['--help']", "['predict', '--help']", "['run', '--help']", "['sweep', '--help']", "['--version']"]
)
def test_help_is_light(command):
    code = f"""
from tokensphere.cli import main
sys.argv = ['tokensphere', *{command}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
    assert loaded_after(code) & {"jax", "jaxlib", "scipy"} == set()


def test_every_public_name_is_there():
    import tokensphere

    for name in tokensphere.__all__:
        assert getattr(tokensphere, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = tokensphere.simulat
