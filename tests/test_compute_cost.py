"""Chapter 15's helpers against independent truths: differences, queueing theory, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers import autoscaling, cluster, energy, spot_market
from helpers import training_flops as flops
from helpers import training_memory as memory
from helpers.training_memory import CostError


def small(seed=0):
    rng = np.random.default_rng(seed)
    weights = memory.new_weights([6, 9, 8, 7, 3], seed)
    return weights, rng.standard_normal((24, 6)).astype("f4"), rng.integers(0, 3, 24)


def pairs(one, other):
    return [(a, b) for p, q in zip(one, other, strict=True) for a, b in zip(p, q, strict=True)]


def test_gradients_are_the_slopes_of_the_loss():
    weights, x, y = small()
    weights = [(kernel.astype("f8"), bias.astype("f8")) for kernel, bias in weights]
    x = x.astype("f8")
    _, found = memory.gradients(weights, x, y)
    for layer, (slopes, _) in enumerate(found):
        kernel, place = weights[layer][0], np.unravel_index(np.abs(slopes).argmax(), slopes.shape)
        before = kernel[place]
        losses = []
        for step in (1e-5, -1e-5):
            kernel[place] = before + step
            losses.append(memory.gradients(weights, x, y)[0])
        kernel[place] = before
        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(slopes[place], rel=1e-4)


@pytest.mark.parametrize("every", [2, 3, 4])
def test_checkpoints_change_nothing(every):
    weights, x, y = small()
    loss, whole = memory.gradients(weights, x, y)
    again, found = memory.gradients(weights, x, y, every)
    assert loss == again
    assert all((a == b).all() for a, b in pairs(whole, found))


def test_products_are_counted():
    weights, x, y = small()
    sizes = [kernel.size for kernel, _ in weights]
    # The gradient of the data themselves is not computed.
    by_hand = 2 * 24 * (3 * sum(sizes) - sizes[0])
    assert memory.counted_products(weights, x, y) == by_hand
    again = 2 * 24 * (sizes[0] + sizes[2])  # the last layer of a segment is not repeated
    assert memory.counted_products(weights, x, y, every=2) == by_hand + again


def test_micro_batches_add_up():
    weights, x, y = small()
    loss, whole = memory.accumulated(weights, x, y)
    again, found = memory.accumulated(weights, x, y, parts=4, every=2)
    assert loss == pytest.approx(again, rel=1e-5)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in pairs(whole, found))
    with pytest.raises(CostError, match="do not divide"):
        memory.accumulated(weights, x, y, parts=5)


def test_adam_first_step_is_the_learning_rate():
    weights, x, y = small()
    before = [kernel.copy() for kernel, _ in weights]
    _, found = memory.gradients(weights, x, y)
    memory.Adam(weights, 0.01).update(weights, found)
    for old, (kernel, _), (slope, _) in zip(before, weights, found, strict=True):
        big = np.abs(slope) > 1e-3
        assert np.allclose((old - kernel)[big], 0.01 * np.sign(slope[big]), rtol=0.01)


def test_memory_by_hand():
    plan = memory.foreseen([10, 20, 5], batch=8)
    size = 4 * (11 * 20 + 21 * 5)
    assert (plan.weights, plan.gradients, plan.optimizer) == (size, size, 2 * size)
    assert plan.activations == 4 * 8 * 30
    assert plan.total == 4 * size + 4 * 8 * 30 + 4 * 8 * 30
    with pytest.raises(CostError, match="widths"):
        memory.foreseen([3], 8)
    with pytest.raises(CostError, match="above 0"):
        memory.foreseen([3, 2], 0)


def test_flops_of_a_single_layer_by_hand():
    sizes = flops.TransformerSizes(1, 8, 4, 2, 10)
    parts = flops.training_flops(sizes)
    assert parts["weights"] == 6 * 12 * 64 * 8
    assert parts["output"] == 6 * 80 * 8
    # Two products of (4, 8) with (8, 4) for each of two sequences, three times.
    assert parts["attention"] == 3 * 2 * 2 * (2 * 4 * 8 * 4)
    with pytest.raises(CostError, match="four heads"):
        flops.TransformerSizes(1, 9, 4, 2, 10)


def test_spot_without_failures_and_with():
    costs = {"checkpoint": 0.1, "restart": 0.2, "between_failures": 1e9}
    assert spot_market.simulated_times(10, 1, **costs, runs=3) == pytest.approx([11] * 3)
    costs["between_failures"] = 5.0
    times = spot_market.simulated_times(10, 1, **costs, runs=4000)
    assert times.mean() == pytest.approx(spot_market.expected_time(10, 1, **costs), rel=0.02)
    assert spot_market.young_interval(0.1, 5.0) == 1.0
    with pytest.raises(CostError, match="hardly ever"):
        spot_market.simulated_times(100, 90, **costs)
    with pytest.raises(CostError, match="above 0"):
        spot_market.young_interval(0, 1)


def test_the_queue_waits_as_erlang_says():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(1 / 3, 120_000))
    work = rng.exponential(1.0, len(times))
    load, servers = 3.0, 4
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    waiting = last / (sum(terms) + last)
    served = autoscaling.serve(times, work, servers)
    assert (served.waits > 0).mean() == pytest.approx(waiting, rel=0.05)
    assert served.waits.mean() == pytest.approx(waiting / (servers - load), rel=0.1)
    assert served.hours == pytest.approx(servers * times[-1] / 3600, rel=0.01)


def test_the_formula_of_the_autoscaler():
    assert autoscaling.desired_replicas(4, 0.9, 0.6) == 6
    assert autoscaling.desired_replicas(5, 0.75, 0.6) == 7
    assert autoscaling.desired_replicas(5, 0.63, 0.6) == 5
    with pytest.raises(CostError, match="above 0"):
        autoscaling.desired_replicas(5, 0.63, 0)


def test_the_autoscaler_follows_and_pays_from_the_order_on():
    times = np.arange(0, 3600, 0.5)
    work = np.full(len(times), 4.0)  # eight replicas are busy on average
    served = autoscaling.serve(times, work, 2, target=0.8, startup=60)
    assert served.replicas[0] == 2
    assert 8 <= served.replicas[-1] <= 14
    assert served.waits[-1000:].max() < 4
    assert served.waits[20:60].max() > 4  # nobody new is ready in the first minute
    fixed = autoscaling.smallest_static(times, work, p99=0.5, most=20)
    assert set(fixed.replicas) == {8}
    with pytest.raises(CostError, match="do not reach"):
        autoscaling.smallest_static(times, work, p99=0.5, most=4)
    with pytest.raises(CostError, match="as many"):
        autoscaling.serve(times, work[:-1], 2)


def test_arrivals_have_the_shape_of_the_demand():
    demand = autoscaling.taxi_demand(1)
    assert len(demand) == 49
    assert len(autoscaling.taxi_demand()) == 145
    times = autoscaling.arrivals(demand, 2.0)
    assert (np.diff(times) >= 0).all()
    assert len(times) / 86400 == pytest.approx(2.0, rel=0.02)
    counts = np.histogram(times, bins=48, range=(0, 86400))[0]
    middle = (demand[1:] + demand[:-1]) / 2
    assert np.corrcoef(counts, middle)[0, 1] > 0.99
    with pytest.raises(CostError, match="three days"):
        autoscaling.taxi_demand(4)
    with pytest.raises(CostError, match="two values"):
        autoscaling.arrivals(np.array([1.0]), 2.0)


def test_a_bill_keeps_its_units():
    found = energy.bill(1000, 1000, 0.12, "CNY", 0.48)
    assert (found.kwh, found.money, found.kg) == (1000, 120, 480)
    with pytest.raises(CostError, match="in watts"):
        energy.bill(1e6, 1, 0.1, "EUR", 0.1)
    with pytest.raises(CostError, match="PUE"):
        energy.bill(1, 1, 0.1, "EUR", 0.1, pue=0.5)


def test_codecarbon_offline():
    found = energy.tracked(lambda: sum(range(10**6)), "FRA")
    assert found.value == sum(range(10**6))
    grid = energy.grid_intensities("FRA")["FRA"]
    assert found.kg == pytest.approx(found.kwh * grid, rel=0.01)
    with pytest.raises(CostError, match="no country"):
        energy.grid_intensities("XXX")


def test_manifests():
    good = cluster.autoscaler("model", 1, 5, 60)
    assert cluster.refusal(good) == ""
    assert "v2beta2" in cluster.refusal(good | {"apiVersion": "autoscaling/v2beta2"})
    wrong = good | {"spec": good["spec"] | {"minReplicas": "two"}}
    assert "two" in cluster.refusal(wrong)
    with pytest.raises(CostError, match="kind"):
        cluster.refusal({"spec": {}})
    with pytest.raises(CostError, match="per cent"):
        cluster.autoscaler("model", 1, 5, 600)


def test_gangs():
    jobs = [(4, 3), (4, 2), (2, 1)]
    assert cluster.finished(jobs, 6, gang=True) == [3, 5, 1]
    assert cluster.finished(jobs, 6, gang=False) == [None, None, 1]
    assert cluster.finished(jobs, 10, gang=False) == [3, 2, 1]
    with pytest.raises(CostError, match="Each job"):
        cluster.finished([(9, 1)], 6, gang=True)
