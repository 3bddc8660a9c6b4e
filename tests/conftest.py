import dataclasses
import json
import os

import pytest

# Most of the time of this suite is compilation: the compiler may do less of it. Whoever sets XLA_FLAGS is obeyed.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

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
