"""Runtimes against Keras, against weights quantized by hand, and against damaged files."""

import keras
import numpy as np
import pytest

from helpers.models import convolutional_network, dense_network
from helpers.quantization import quantize
from helpers.runtimes import (
    MODES,
    LiteRTModel,
    OnnxModel,
    RuntimeModelError,
    export_litert,
    export_onnx,
)

if keras.backend.backend() != "tensorflow":
    pytest.skip("the exporters read TensorFlow models", allow_module_level=True)

X = np.random.default_rng(0).random((300, 8, 8, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def networks():
    return {
        "dense": dense_network((8, 8, 1), 10, (128, 120), seed=0),
        "convolutional": convolutional_network((8, 8, 1), 10, (8, 16), dense=24, seed=0),
    }


@pytest.fixture(scope="module")
def files(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "a" / "new folder"
    made = {
        (name, mode): export_litert(model, folder / f"{name}-{mode}.tflite", mode, X)
        for name, model in networks.items()
        for mode in MODES
    }
    for name, model in networks.items():
        made[name, "onnx"] = export_onnx(model, folder / f"{name}.onnx")
    assert not list(folder.glob("*.part"))
    return made


@pytest.mark.parametrize("name", ["dense", "convolutional"])
@pytest.mark.parametrize(
    ("mode", "tolerance"), [("float32", 1e-5), ("float16", 2e-3), ("dynamic", 0.05), ("int8", 0.1)]
)
def test_litert_outputs_are_keras_s(networks, files, name, mode, tolerance):
    expected = np.asarray(networks[name](X))
    found = LiteRTModel(files[name, mode]).predict(X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("name", ["dense", "convolutional"])
def test_onnx_outputs_are_keras_s(networks, files, name):
    found = OnnxModel(files[name, "onnx"]).predict(X)
    np.testing.assert_allclose(found, np.asarray(networks[name](X)), atol=1e-4)


def test_stored_weights_are_those_computed_by_hand(networks, files):
    dense = [layer for layer in networks["dense"].layers if hasattr(layer, "kernel")]
    # Every matrix has at least 1,024 weights: the dynamic converter leaves smaller ones float.
    stored = {w.values.shape: w for w in LiteRTModel(files["dense", "dynamic"]).weights()}
    assert len(stored) == 3
    for layer in dense:
        hand = quantize(np.asarray(layer.kernel).T, axis=0)
        file = stored[hand.values.shape]
        np.testing.assert_array_equal(hand.values, file.values)
        np.testing.assert_array_equal(hand.scale, file.scale)
        # The full-integer converter multiplies by a rounded reciprocal: one step at the most.
    for file in LiteRTModel(files["dense", "int8"]).weights():
        layer = next(d for d in dense if d.kernel.shape == file.values.shape[::-1])
        hand = quantize(np.asarray(layer.kernel).T, axis=0)
        assert np.abs(hand.values.astype(int) - file.values).max() <= 1
        assert np.mean(hand.values != file.values) < 1e-3


def test_stored_convolutions_too(networks, files):
    kernel = np.asarray(networks["convolutional"].get_layer("convolution_2").kernel)
    hand = quantize(np.moveaxis(kernel, -1, 0), axis=0)  # The file has the channels first.
    stored = [w.values for w in LiteRTModel(files["convolutional", "int8"]).weights()]
    same = [values for values in stored if values.shape == hand.values.shape]
    assert np.abs(hand.values.astype(int) - same[0]).max() <= 1
    assert len(stored) == 4


def test_the_output_grid_comes_from_the_calibration_set(networks, files):
    logits = np.asarray(networks["dense"](X))
    low, high = min(logits.min(), 0), max(logits.max(), 0)
    scale, zero_point = LiteRTModel(files["dense", "int8"]).output_grid
    assert scale == pytest.approx((high - low) / 255, rel=0.01)
    assert abs(zero_point - round(-128 - low / scale)) <= 1
    assert LiteRTModel(files["dense", "float32"]).output_grid == (0.0, 0)


def test_batches_do_not_change_the_answer(files):
    for model in (LiteRTModel(files["dense", "int8"]), OnnxModel(files["dense", "onnx"])):
        whole = model.predict(X, batch_size=300)
        np.testing.assert_allclose(model.predict(X, batch_size=7), whole, atol=1e-5)
        np.testing.assert_allclose(model.predict(X[:1]), whole[:1], atol=1e-5)
        assert callable(model.call(X[:1]))
        model.call(X[:1])()


def test_int8_is_a_quarter(files):
    sizes = {mode: files["dense", mode].stat().st_size for mode in MODES}
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]


def test_silence(networks, tmp_path, capfd):
    path = export_litert(networks["dense"], tmp_path / "m.tflite", "int8", X[:5])
    LiteRTModel(path).predict(X[:5])
    OnnxModel(export_onnx(networks["dense"], tmp_path / "m.onnx")).predict(X[:5])
    assert capfd.readouterr() == ("", "")


def test_a_failed_export_leaves_the_old_file(networks, tmp_path, monkeypatch):
    target = tmp_path / "m.tflite"
    target.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("helpers.runtimes.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        export_litert(networks["dense"], target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("kept", [0, 3, 1000, -1])
def test_a_damaged_file_is_refused(files, tmp_path, kept):
    for kind, model in (("int8", LiteRTModel), ("onnx", OnnxModel)):
        damaged = tmp_path / "damaged.model"
        damaged.write_bytes(files["dense", kind].read_bytes()[:kept])
        with pytest.raises(RuntimeModelError, match="not a whole"):
            model(damaged)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda model, folder: export_litert(model, folder / "m", "int4"), "no mode 'int4'"),
        (lambda model, folder: export_litert(model, folder / "m", "int8"), "calibration set"),
        (lambda model, folder: export_litert(model, folder / "m", "int8", X[:0]), "is empty"),
        (lambda model, folder: export_litert(model, folder / "m", "int8", X[:, :4]), "has the sh"),
        (lambda model, folder: export_litert(model, folder / "m", "int8", X * np.nan), "NaN"),
        (lambda model, folder: LiteRTModel(folder / "m"), "no model file"),
        (lambda model, folder: OnnxModel(folder / "m"), "no model file"),
    ],
)
def test_bad_input_gets_one_sentence(networks, tmp_path, call, said):
    with pytest.raises(RuntimeModelError, match=said) as caught:
        call(networks["dense"], tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_wrong_shape_names_both_shapes(files):
    for model in (LiteRTModel(files["dense", "int8"]), OnnxModel(files["dense", "onnx"])):
        with pytest.raises(RuntimeModelError, match=r"\(2, 8, 8\).*\(n, 8, 8, 1\)"):
            model.predict(np.ones((2, 8, 8)))
