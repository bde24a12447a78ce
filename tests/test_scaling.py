"""The cost model against its formulas, by hand and by fits of exact lines; schedules; memory."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.scaling import (
    ScalingError,
    StepCosts,
    efficiency,
    fit_costs,
    pipeline_idle,
    simulated_step,
    state_bytes,
)

COSTS = StepCosts(per_step=1e-3, per_row=2e-6, latency=1e-5, per_byte=1e-9)


def test_a_fit_of_exact_lines_gives_the_costs_back():
    rows, sizes = (100, 400, 900), (1000, 1_000_000)
    found = fit_costs(
        rows,
        [COSTS.compute(n) for n in rows],
        sizes,
        [COSTS.all_reduce(size, 2) for size in sizes],
    )
    for name in ("per_step", "per_row", "latency", "per_byte"):
        assert getattr(found, name) == pytest.approx(getattr(COSTS, name), rel=1e-6)


def test_all_reduce_by_hand():
    assert COSTS.all_reduce(8000, 1) == 0
    # Four workers: 6 messages in a ring, 4 by halving and doubling; 1.5 times the vector both ways.
    assert COSTS.all_reduce(8000, 4) == pytest.approx(6e-5 + 1.2e-5)
    assert COSTS.all_reduce(8000, 4, "halving") == pytest.approx(4e-5 + 1.2e-5)


def test_times_never_count_below_zero():
    odd = StepCosts(per_step=-1e-3, per_row=1e-6, latency=-1e-5, per_byte=0.0)
    assert odd.compute(10) == 0
    assert odd.compute(3000) == pytest.approx(2e-3)
    assert odd.all_reduce(1000, 8) == 0


def test_bytes_that_cost_nothing_measurable_are_free():
    assert fit_costs((1, 2), (1.0, 2.0), (10, 20), (3.0, 2.0)).per_byte == 0


def test_the_slowest_of_many_workers():
    generator = np.random.default_rng(0)
    even = simulated_step(COSTS, 500, 8000, 4, generator)
    assert even == pytest.approx(COSTS.compute(500) + COSTS.all_reduce(8000, 4))
    # The expected maximum of 1,024 standard normal values is 3.2447;
    # the mean of its exponential lies a little above.
    one = simulated_step(COSTS, 500, 0, 1024, generator, jitter=0.1, steps=2000)
    slowest = (one - COSTS.all_reduce(0, 1024)) / COSTS.compute(500)
    assert slowest == pytest.approx(np.exp(0.1 * 3.2447), rel=0.01)


@pytest.mark.parametrize(("stages", "microbatches"), [(1, 1), (1, 9), (2, 1), (4, 8), (16, 64)])
def test_bubbles_follow_the_formula(stages, microbatches):
    theory = (stages - 1) / (microbatches + stages - 1)
    assert pipeline_idle(stages, microbatches) == pytest.approx(theory)


def test_memory_is_that_of_the_paper():
    # Rajbhandari et al. 2020, figure 1: 7.5 billion parameters on 64 GPUs, in GB.
    printed = {0: 120, 1: 31.4, 2: 16.6, 3: 1.9}
    for stage, gigabytes in printed.items():
        assert state_bytes(7.5e9, 64, stage) / 1e9 == pytest.approx(gigabytes, abs=0.05)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: StepCosts(0, 0, 0, 1e-9), "per_row is 0"),
        (lambda: StepCosts(0, 1e-6, 0, -1e-9), "per_byte -1e-09"),
        (lambda: COSTS.all_reduce(1, 0), "workers is 0"),
        (lambda: COSTS.all_reduce(1, 2, "star"), "no algorithm 'star'"),
        (lambda: fit_costs((5, 5), (1, 1), (1, 2), (1, 2)), "rows is \\[5, 5\\]"),
        (lambda: simulated_step(COSTS, 1, 1, 1, np.random.default_rng(0), jitter=-1), "jitter"),
        (lambda: pipeline_idle(0, 1), "stages is 0"),
        (lambda: pipeline_idle(2, 1.5), "microbatches is 1.5"),
        (lambda: state_bytes(1e9, 8, 4), "stage is 4"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(ScalingError, match=said):
        call()


def test_efficiency_compares_the_same_rows_in_all():
    assert efficiency(COSTS, 500, 8000, 1) == pytest.approx(1)
    weak = COSTS.compute(500) / (COSTS.compute(500) + COSTS.all_reduce(8000, 8))
    assert efficiency(COSTS, 500, 8000, 8) == pytest.approx(weak)
    strong = COSTS.compute(800) / (8 * (COSTS.compute(100) + COSTS.all_reduce(8000, 8)))
    assert efficiency(COSTS, 800, 8000, 8, whole=True) == pytest.approx(strong)
