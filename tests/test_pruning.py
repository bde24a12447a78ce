"""The masks, the held zeros and the rebuilt models of chapter 18."""

import numpy as np
import pytest

from helpers import pruning
from helpers.pruning import CompressionError


def small_model(seed=0):
    import keras

    from helpers import models

    keras.utils.set_random_seed(seed)
    return models.convolutional_network((8, 8, 1), 3, filters=(8, 12), dense=16, seed=seed)


def images(count=60):
    draw = np.random.default_rng(3)
    y = draw.integers(0, 3, count)
    x = draw.normal(size=(count, 8, 8, 1)).astype("float32") + y[:, None, None, None]
    return x, y


def test_two_of_four_keeps_the_best_pair_of_every_group():
    weights = np.random.default_rng(0).normal(size=(12, 5))
    mask = pruning.n_of_m_mask(weights)
    for column in range(5):
        for start in range(0, 12, 4):
            group = np.abs(weights[start : start + 4, column])
            kept = mask[start : start + 4, column]
            assert kept.sum() == 2
            assert group[kept == 1].min() >= group[kept == 0].max()
    assert pruning.n_of_m_mask(np.ones((4, 1))).ravel().tolist() == [1, 1, 0, 0]
    assert pruning.n_of_m_mask(np.ones((3, 3, 8, 2)), 1, 8).sum() == 9 * 2
    assert pruning.n_of_m_mask(weights).dtype == np.float32


def test_two_of_four_keeps_most_among_all_such_patterns():
    from itertools import combinations

    weights = np.random.default_rng(1).normal(size=(4, 1))
    kept = np.abs(weights * pruning.n_of_m_mask(weights)).sum()
    assert kept == max(np.abs(weights[list(pair)]).sum() for pair in combinations(range(4), 2))


@pytest.mark.parametrize(
    ("shape", "n", "m", "word"),
    [((6, 2), 2, 4, "groups of 4"), ((8, 2), 4, 4, "0 < n < m"), ((8,), 2, 4, "inputs")],
)
def test_two_of_four_refuses(shape, n, m, word):
    with pytest.raises(CompressionError, match=word):
        pruning.n_of_m_mask(np.ones(shape), n, m)


def test_wanda_is_magnitude_when_all_inputs_are_alike_and_differs_when_not():
    kernel = np.random.default_rng(0).normal(size=(8, 3))
    alike = pruning.wanda_mask(kernel, np.ones((5, 8)), 0.5)
    expected = np.abs(kernel) >= np.sort(np.abs(kernel), axis=0)[4]
    assert np.array_equal(alike == 1, expected)
    loud = np.ones((5, 8))
    loud[:, 0] = 1e6
    assert pruning.wanda_mask(kernel, loud, 0.5)[0].all()
    assert (pruning.wanda_mask(kernel, loud, n_of_m=(2, 4)).reshape(2, 4, 3).sum(1) == 2).all()
    for arguments in ({}, {"sparsity": 0.5, "n_of_m": (2, 4)}):
        with pytest.raises(CompressionError, match="one of the two"):
            pruning.wanda_mask(kernel, loud, **arguments)
    with pytest.raises(CompressionError, match="belong together"):
        pruning.wanda_mask(kernel, np.ones((5, 7)), 0.5)


def test_masks_per_layer_and_shared():
    model = small_model()
    sizes = [np.asarray(kernel).size for kernel in pruning.kernels(model)]
    own = pruning.model_masks(model, 0.75)
    assert [round(0.75 * size) for size in sizes] == [int((mask == 0).sum()) for mask in own]
    shared = pruning.model_masks(model, 0.75, shared=True)
    assert sum(int((mask == 0).sum()) for mask in shared) == round(0.75 * sum(sizes))
    arrays = [np.abs(np.asarray(kernel)) for kernel in pruning.kernels(model)]
    gone = max(a[m == 0].max() for a, m in zip(arrays, shared, strict=True) if (m == 0).any())
    left = min(a[m == 1].min() for a, m in zip(arrays, shared, strict=True) if (m == 1).any())
    assert gone <= left
    assert pruning.apply_masks(model, shared) == pytest.approx(0.75, abs=1e-3)


def test_masks_must_fit():
    model = small_model()
    masks = pruning.model_masks(model, 0.5)
    before = model.get_weights()
    with pytest.raises(CompressionError, match="one mask for each"):
        pruning.apply_masks(model, masks[1:])
    with pytest.raises(CompressionError, match="shape"):
        pruning.apply_masks(model, [*masks[:-1], masks[0]])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_training_fills_zeros_again_unless_they_are_held_and_restore_begins_anew():
    from helpers import training

    model, (x, y) = small_model(), images()
    training.compile_classifier(model, 1e-2)
    begin = pruning.take_snapshot(model)
    masks = pruning.model_masks(model, 0.8)
    pruning.apply_masks(model, masks)
    model.fit(x, y, 20, 1, verbose=0)
    assert pruning.zero_fraction(model) < 0.4
    pruning.restore(model, begin)
    assert pruning.zero_fraction(model) < 0.01
    assert int(model.optimizer.iterations) == 0
    model.fit(x, y, 20, 2, verbose=0, shuffle=False, callbacks=[pruning.hold_masks(masks)])
    first = model.get_weights()
    for kernel, mask in zip(pruning.kernels(model), masks, strict=True):
        assert not np.asarray(kernel)[mask == 0].any()
        assert np.asarray(kernel)[mask == 1].all()
    pruning.restore(model, begin)
    model.fit(x, y, 20, 2, verbose=0, shuffle=False, callbacks=[pruning.hold_masks(masks)])
    assert all(
        np.allclose(a, b, atol=1e-6) for a, b in zip(first, model.get_weights(), strict=True)
    )


def test_the_counted_parameters_are_those_of_the_rebuilt_model():
    model = small_model()
    for keep in (1.0, 0.6, 0.3, 0.01):
        assert pruning.parameters_kept(model, keep) == (
            pruning.prune_units(model, keep).count_params()
        )


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.8, 0.95])
def test_the_share_of_units_for_a_sparsity(sparsity):
    model = small_model()
    keep = pruning.keep_for_sparsity(model, sparsity)
    target = (1 - sparsity) * model.count_params()
    assert pruning.parameters_kept(model, keep) <= target
    assert keep == 1 or pruning.parameters_kept(model, min(1.0, keep + 0.15)) > target


def test_impossible_wishes_are_refused():
    import keras

    with pytest.raises(CompressionError, match="smaller sparsity"):
        pruning.keep_for_sparsity(small_model(), 0.999)
    with pytest.raises(CompressionError, match="smaller sparsity"):
        pruning.keep_for_sparsity(small_model(), 1.5)
    with pytest.raises(CompressionError, match="not compiled"):
        pruning.take_snapshot(small_model())
    with pytest.raises(CompressionError, match="no Dense or Conv"):
        pruning.kernels(keras.Sequential([keras.Input((2,)), keras.layers.Flatten()]))
    with pytest.raises(CompressionError, match="no weights yet"):
        pruning.kernels(keras.Sequential([keras.layers.Dense(2)]))


def test_trainings_from_the_same_weights_are_alike_whatever_came_before():
    import keras

    model, (x, y) = small_model(), images()
    train = pruning.retrainer(model, x, y, 20)
    begin = model.get_weights()
    masks = pruning.model_masks(model, 0.5)
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        runs.append(train(begin, 2, 1e-2, pruning.hold_masks(masks)))
        train(runs[-1], 1, 0.5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(*runs, strict=True))
    assert not all(np.allclose(a, b) for a, b in zip(begin, runs[0], strict=True))
