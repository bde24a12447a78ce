"""Stages, gate and publication, and the roofline's formulas."""

from __future__ import annotations

import time

import numpy as np
import pytest

from helpers import input_pipeline, models, publishing, roofline, training


def test_stages_add_up_and_name_the_longest():
    stages = publishing.Stages()
    for _ in range(2):
        with stages("slow"):
            time.sleep(0.02)
    assert stages.time("quick", sum, [1, 2], start=3) == 6
    with pytest.raises(RuntimeError), stages("failed"):
        raise RuntimeError
    assert list(stages.seconds) == ["slow", "quick", "failed"]
    assert stages.seconds["slow"] >= 0.04
    assert stages.longest == "slow"


@pytest.fixture(scope="module")
def model():
    return models.dense_network((4,), 2, hidden=(3,), seed=0)


def test_a_published_model_comes_back_with_its_outputs(model, tmp_path):
    path = publishing.export(model, tmp_path)
    published = publishing.publish(path, {"accuracy": 0.9}, {"accuracy": 0.8})
    assert publishing.current(tmp_path) == published
    assert published.sha256.startswith(path.stem.removeprefix("model-"))
    x = np.random.default_rng(0).random((5, 4), dtype="float32")
    served = publishing.load_current(tmp_path)
    np.testing.assert_allclose(served.predict_on_batch(x), model.predict_on_batch(x), atol=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["current.json", path.name])


@pytest.mark.parametrize("metrics", [{"accuracy": 0.7}, {}, {"accuracy": float("nan")}])
def test_the_gate_keeps_the_old_model(model, tmp_path, metrics):
    good = publishing.export(model, tmp_path)
    publishing.publish(good, {"accuracy": 0.9}, {"accuracy": 0.8})
    bad = publishing.export(models.dense_network((4,), 2, hidden=(3,), seed=1), tmp_path)
    with pytest.raises(publishing.PublishError, match=r"at least 0\.8"):
        publishing.publish(bad, metrics, {"accuracy": 0.8})
    assert publishing.current(tmp_path).file == good.name


def test_an_altered_or_missing_model_is_refused(model, tmp_path):
    with pytest.raises(publishing.PublishError, match="Nothing has been published"):
        publishing.load_current(tmp_path)
    path = publishing.export(model, tmp_path)
    publishing.publish(path, {}, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(publishing.PublishError, match="missing or altered"):
        publishing.load_current(tmp_path)


def test_photographs_are_jpeg_files_of_the_asked_size():
    import io

    from PIL import Image

    images = np.random.default_rng(0).random((3, 8, 8, 1))
    files = input_pipeline.as_photographs(images, 24)
    assert files.shape == (3,)
    picture = Image.open(io.BytesIO(files[0]))
    assert (picture.format, picture.size, picture.mode) == ("JPEG", (24, 24), "L")
    small = np.asarray(picture.resize((8, 8)), dtype=float) / 255
    assert np.corrcoef(small.ravel(), images[0].ravel())[0, 1] > 0.8
    with pytest.raises(input_pipeline.TrainingError, match="side is 0"):
        input_pipeline.as_photographs(images, 0)


def test_python_batches_pass_each_batch_through_python():
    files = np.array([b"aa", b"b", b"cccc"], dtype=object)
    data = input_pipeline.python_batches(
        files, [0, 1, 2], 2, shuffle=False, preprocess=lambda batch: [len(file) for file in batch]
    )
    assert [data[number][0] for number in range(len(data))] == [[2, 1], [4]]


def test_speedup_is_the_median_of_paired_ratios():
    # One disturbed round changes neither the median nor the other pairs.
    assert training.speedup([4, 40, 6], [2, 2, 3]) == 2
    with pytest.raises(training.TrainingError, match="1 and 2 measurements"):
        training.speedup([1], [1, 2])


def test_alternating_gives_a_value_per_round_and_contestant():
    x, y = np.zeros((8, 4), dtype="float32"), np.zeros(8)
    model = training.compile_classifier(models.dense_network((4,), 2, hidden=(3,)))
    versions = {"one": (model, (x, y)), "two": (model, (x, y), {"batch_size": 2})}
    for processor_time in (False, True):
        seconds = training.alternate_epochs(versions, 2, processor_time)
        assert [len(values) for values in seconds.values()] == [2, 2]
        assert min(min(values) for values in seconds.values()) > 0


def test_the_roofline_by_hand():
    # 2 * 3 * 2**2 operations; 2 * 2 weights, 3 * 2 inputs and 3 * 2 outputs of four bytes.
    assert roofline.dense_intensity(3, 2) == 24 / (4 * (4 + 6 + 6))
    assert roofline.dense_intensity(3, 2, value_bytes=2) == 24 / (2 * (4 + 6 + 6))
    machine = roofline.Roofline(10.0, (1, 2), (1.0, 50.0), (8.0, 100.0))
    assert machine.peak == 100
    assert machine.ridge == 10
    assert machine.roof == (10.0, 100.0)


def test_measuring_gives_positive_rates():
    measured = roofline.measure_roofline(64, (1, 8))
    assert measured.intensity == tuple(roofline.dense_intensity(batch, 64) for batch in (1, 8))
    halved = roofline.measure_roofline(64, (1,), dtype="bfloat16")
    assert halved.intensity == (roofline.dense_intensity(1, 64, value_bytes=2),)
    assert measured.batches == (1, 8)
    assert min(measured.rates) > 0
    assert measured.bandwidth > 0
