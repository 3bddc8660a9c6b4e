import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from tokensphere import sphere
from tokensphere.errors import InputError


def rows():
    return np.random.default_rng(0).normal(size=(6, 3))


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", rows().astype(np.float32))
    tokens, weights = sphere.load_tokens(tmp_path / "a.npy")
    np.testing.assert_allclose(tokens, sphere.normalize(rows()), atol=1e-6)
    assert tokens.dtype == np.float64
    assert weights is None


def test_npz_with_weights_and_keys(tmp_path):
    w = np.arange(1, 7) / 21
    np.savez(tmp_path / "a.npz", tokens=rows(), weights=w, other=np.ones(3))
    tokens, weights = sphere.load_tokens(tmp_path / "a.npz")
    np.testing.assert_allclose(tokens, sphere.normalize(rows()))
    np.testing.assert_allclose(weights, w)
    np.savez(tmp_path / "b.npz", x=rows(), y=rows())
    with pytest.raises(InputError, match="keys are: x, y"):
        sphere.load_tokens(tmp_path / "b.npz")
    with pytest.raises(InputError, match="no array 'z'; its keys are: x, y"):
        sphere.load_tokens(tmp_path / "b.npz", key="z")
    assert sphere.load_tokens(str(tmp_path / "b.npz"), key="y")[0].shape == (6, 3)


def test_safetensors(tmp_path):
    save_file({"embedding": rows().astype(np.float16)}, tmp_path / "a.safetensors")
    tokens, _ = sphere.load_tokens(tmp_path / "a.safetensors")
    np.testing.assert_allclose(tokens, sphere.normalize(rows()), atol=3e-3)


def test_safetensors_bfloat16(tmp_path):
    values = np.array([[1.0, 2.0], [-0.5, 4.0]], dtype=np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
    np.testing.assert_allclose(sphere.load_tokens(tmp_path / "a.safetensors")[0], sphere.normalize(values))


def test_normalize_false_checks_the_length(tmp_path):
    np.save(tmp_path / "a.npy", rows())
    with pytest.raises(InputError, match="has length"):
        sphere.load_tokens(tmp_path / "a.npy", normalize=False)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((2, 3, 4)), "shape"),
        (np.ones(4), "shape"),
        (np.ones((4, 1)), "shape"),
        (np.array([[1.0, 0.0], [np.nan, 1.0]]), "token 1 is not finite"),
        (np.array([[1.0, 0.0], [0.0, 0.0]]), "token 1 has zero length"),
        (np.ones((2, 2), dtype=complex), "real numbers"),
        (np.array([["a", "b"]]), "real numbers"),
        (np.array([[{}, {}]], dtype=object), "cannot be read"),
    ],
)
def test_bad_arrays(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message) as caught:
        sphere.load_tokens(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.safetensors"])
def test_broken_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"not an array at all")
    with pytest.raises(InputError, match="cannot be read"):
        sphere.load_tokens(tmp_path / name)


def test_missing_file_and_unknown_ending(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        sphere.load_tokens(tmp_path / "none.npy")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(InputError, match=r"must end in \.npy"):
        sphere.load_tokens(tmp_path / "a.csv")
