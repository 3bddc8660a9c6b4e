import pytest

pytest.register_assert_rewrite("conformance.attention_suite", "conformance.flow_suite")
