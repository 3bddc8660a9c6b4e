import functools

import pytest
from figures.cases import get_case


@pytest.fixture(scope="session")
def case(tmp_path_factory):
    """A function from the name of a small run to that run."""
    return functools.partial(get_case, new_folder=lambda: tmp_path_factory.mktemp("runs"))
