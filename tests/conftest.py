import dataclasses
import json
import os

import pytest

pytest.register_assert_rewrite("conformance.attention_suite", "conformance.flow_suite")


@pytest.fixture(scope="session", autouse=True)
def fixed_costs(tmp_path_factory):
    """The same choice of backends everywhere: built-in costs in the cache folder, for child processes too."""
    from tokensphere.attention.costs import Costs, costs_file

    before = os.environ.get("TOKENSPHERE_CACHE")
    os.environ["TOKENSPHERE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    costs_file().write_text(json.dumps(dataclasses.asdict(Costs())))
    yield
    if before is None:
        del os.environ["TOKENSPHERE_CACHE"]
    else:
        os.environ["TOKENSPHERE_CACHE"] = before
