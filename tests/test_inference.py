"""Load generator, dynamic batching, queueing, costs of a call, speculative decoding."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from helpers.call_costs import CallCost, CallCostError, batching_gain, call_cost, throughput
from helpers.dynamic_batching import BatchingError, DynamicBatcher, QueueFull
from helpers.garbage import collecting, collection_ms, frozen_out, tails_with_collections
from helpers.heartbeat import summary, with_heartbeat
from helpers.language_models import LanguageModelError
from helpers.load_generator import (
    LoadError,
    closed_load,
    even_arrivals,
    open_load,
    poisson_arrivals,
)
from helpers.queueing import QueueingError, against_load, inside_at, single_server_latency
from helpers.speculative_decoding import (
    GreedyDraft,
    LookupDraft,
    Speculation,
    compare_drafts,
    expected_tokens_per_call,
    speculate,
    together,
    tokens_per_second,
)


def test_poisson_arrivals_have_exponential_gaps():
    gaps = np.diff(poisson_arrivals(50, 20_000, 3))
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.05)
    assert gaps.std() == pytest.approx(1 / 50, rel=0.05)
    assert poisson_arrivals(50, 5, 3)[0] == 0
    assert np.array_equal(poisson_arrivals(50, 9, 3), poisson_arrivals(50, 9, 3))
    assert np.allclose(even_arrivals(4, 3), [0, 0.25, 0.5])


@pytest.mark.parametrize(("rate", "requests"), [(0, 5), (-1, 5), (float("inf"), 5), (5, 0)])
def test_arrivals_refuse(rate, requests):
    with pytest.raises(LoadError, match="give"):
        poisson_arrivals(rate, requests)


def test_an_open_load_counts_from_the_time_a_request_was_due():
    with ThreadPoolExecutor(1) as pool:
        load = open_load(lambda number: pool.submit(time.sleep, 0.05), np.zeros(4))
    # The fourth waits for three others: a generator that starts its clock at the work sees 50 ms.
    assert load.latency_ms[3] >= 190
    assert load.failed == 0
    assert load.throughput == pytest.approx(4 / load.seconds)
    assert load.p50_ms <= load.p99_ms


def test_an_open_load_keeps_failures_apart():
    def send(number):
        if number == 1:
            raise RuntimeError("refused")
        future = Future()
        future.set_exception(ValueError("broken")) if number == 2 else future.set_result(1)
        return future

    load = open_load(send, [0, 0, 0, 0])
    assert load.failed == 2
    assert np.isnan(load.latency_ms[1:3]).all()
    assert np.isfinite(load.p99_ms)


def test_an_open_load_refuses_and_gives_up():
    for bad in ([], [1.0, 0.5], [-1.0]):
        with pytest.raises(LoadError, match="ascending"):
            open_load(lambda number: Future(), bad)
    with pytest.raises(LoadError, match="no answer"):
        open_load(lambda number: Future(), [0.0], timeout=0.05)


def test_a_closed_load_waits_for_its_answers():
    at_work, most = [], []

    def call(number):
        at_work.append(number)
        most.append(len(at_work))
        time.sleep(0.005)
        at_work.remove(number)

    load = closed_load(call, clients=2, requests=10)
    assert len(load.latency_ms) == 10
    assert max(most) <= 2
    with pytest.raises(LoadError, match="clients"):
        closed_load(call, 0, 5)


def test_batches_grow_while_the_model_works_and_rows_find_their_request():
    def function(batch):
        time.sleep(0.02)
        return 2 * batch

    with DynamicBatcher(function, max_size=4, max_delay_ms=0) as batcher:
        futures = [batcher.submit([number]) for number in range(9)]
        assert [int(future.result(5)[0]) for future in futures] == [2 * n for n in range(9)]
    assert max(batcher.sizes) == 4
    assert sum(size * count for size, count in batcher.sizes.items()) == 9
    assert batcher.calls < 9
    assert batcher.mean_size == pytest.approx(9 / batcher.calls)


def test_a_lone_request_waits_for_the_delay_and_no_longer():
    with DynamicBatcher(lambda batch: batch, max_size=8, max_delay_ms=60) as batcher:
        begin = time.perf_counter()
        batcher.predict(np.ones(2))
        assert 0.05 <= time.perf_counter() - begin < 5


def test_a_failure_reaches_its_batch_only():
    def function(batch):
        if (batch < 0).any():
            raise ValueError("negative")
        return batch

    with DynamicBatcher(function, max_size=1) as batcher:
        with pytest.raises(ValueError, match="negative"):
            batcher.predict(np.array(-1), 5)
        assert batcher.predict(np.array(1), 5) == 1
    lost = pytest.raises(BatchingError, match="returned 0 rows")
    with DynamicBatcher(lambda batch: batch[:0]) as batcher, lost:
        batcher.predict(np.array(1), 5)


def test_a_full_queue_and_a_closed_batcher_refuse():
    go = threading.Event()

    def function(batch):
        go.wait(5)
        return batch

    batcher = DynamicBatcher(function, max_size=1, max_waiting=1)
    first = batcher.submit(0)
    deadline = time.perf_counter() + 5
    while batcher._waiting and time.perf_counter() < deadline:
        time.sleep(0.001)  # until the thread has taken the first
    batcher.submit(1)
    with pytest.raises(QueueFull, match="try again later"):
        batcher.submit(2)
    go.set()
    batcher.close()
    assert first.result(1) == 0
    with pytest.raises(BatchingError, match="closed"):
        batcher.submit(3)


@pytest.mark.parametrize(
    "options",
    [{"max_size": 0}, {"max_size": True}, {"max_delay_ms": -1}, {"max_waiting": 0}],
)
def test_a_batcher_refuses_settings(options):
    with pytest.raises(BatchingError, match="give"):
        DynamicBatcher(lambda batch: batch, **options)
    with pytest.raises(BatchingError, match="function"):
        DynamicBatcher(None)


def test_a_batcher_serves_asyncio():
    async def main(batcher):
        return await asyncio.gather(*(batcher.predict_async(number) for number in range(5)))

    with DynamicBatcher(lambda batch: batch + 1, max_size=5, max_delay_ms=20) as batcher:
        assert [int(row) for row in asyncio.run(main(batcher))] == [1, 2, 3, 4, 5]


def test_one_server_waits_as_the_formula_of_pollaczek_and_khinchine_says():
    load = 0.7
    due = poisson_arrivals(load, 200_000, 0)
    # M/D/1: the mean wait is load / (2 (1 - load)) units of work, the work itself is one.
    found = single_server_latency(due, 1.0)
    assert found.mean() == pytest.approx(1 + load / (2 * (1 - load)), rel=0.05)
    assert np.allclose(single_server_latency([0, 1, 10], [4, 2, 1]), [4, 5, 1])
    assert inside_at([0, 1, 10], [4, 5, 1], [0.5, 2, 4.5, 7]).tolist() == [1, 2, 1, 0]


def test_queueing_refuses():
    with pytest.raises(QueueingError, match="ascending"):
        single_server_latency([2, 1], 1.0)
    with pytest.raises(QueueingError, match="service times"):
        single_server_latency([1, 2], [1, 2, 3])
    with pytest.raises(QueueingError, match="0 or more"):
        single_server_latency([1, 2], -1)
    with pytest.raises(QueueingError, match="one each"):
        inside_at([1, 2], [1], [1])


def test_the_price_of_a_call_is_found_again():
    price, batches = CallCost(500.0, 3.0), (1, 4, 64, 256)
    rates = [1e6 * size / price.microseconds(size) for size in batches]
    found = call_cost(batches, rates)
    assert found.fixed_us == pytest.approx(500)
    assert found.each_us == pytest.approx(3)
    assert found.fixed_share == pytest.approx(500 / 503)
    assert found.gain(256) == pytest.approx(rates[-1] / rates[0])
    for bad in (((1, 2), (1, 2)), ((1, 3, 2), (1, 1, 1)), ((1, 2, 3), (1, 1, 0))):
        with pytest.raises(CallCostError):
            call_cost(*bad)


def test_throughput_rises_where_the_price_is_fixed():
    found = throughput({"sleep": lambda batch: time.sleep(0.002)}, np.zeros((8, 1)), (1, 8), 5)
    assert found["sleep"][1] > 3 * found["sleep"][0]
    with pytest.raises(CallCostError, match="9"):
        throughput({"sleep": len}, np.zeros((8, 1)), (1, 9))


def test_batching_gain_counts_calls():
    def serve(way, due, size):
        def function(batch):
            time.sleep(0.002)
            return batch

        with DynamicBatcher(function, size, 1) as batcher:
            load = open_load(batcher.submit, due)
            return load, len(due) / batcher.calls

    (row,) = batching_gain(serve, ["sleep"], 16, 64)
    assert row["gain"] > 2
    assert row["per_call"] > 4


def test_frozen_objects_are_left_alone():
    before = gc.get_freeze_count()
    with frozen_out() as count:
        assert count > 1000
        assert len(gc.get_objects()) < count
        assert collection_ms(1) < 1000
    assert gc.get_freeze_count() <= before
    seen = []
    gc.callbacks.append(
        lambda phase, info: seen.append(info["generation"]) if phase == "start" else None
    )
    try:
        tidy = collecting(lambda value: value, every=3)
        assert [tidy(number) for number in range(6)] == list(range(6))
    finally:
        gc.callbacks.pop()
    assert seen.count(2) == 2
    for wrong in (lambda: collection_ms(0), lambda: collecting(len, 0)):
        with pytest.raises(ValueError, match="give a whole number"):
            wrong()


def test_a_blocking_job_stops_the_heart_and_a_pool_does_not():
    async def blocking():
        time.sleep(0.03)
        return 1

    async def both():
        stopped = await with_heartbeat(blocking, 3)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(3) as pool:
            free = await with_heartbeat(lambda: loop.run_in_executor(pool, time.sleep, 0.05), 3)
        return stopped, free

    stopped, free = asyncio.run(both())
    assert stopped.beats <= 1
    assert stopped.results == (1, 1, 1)
    assert stopped.seconds >= 0.09
    assert free.beats >= 3
    assert summary([stopped, stopped]).results == (1,)
    with pytest.raises(ValueError, match="no runs"):
        summary([])
    with pytest.raises(ValueError, match="above 0"):
        asyncio.run(with_heartbeat(blocking, 1, 0))


class Counting:
    """An engine whose greedy text is a fixed rule: the next token is three times the last plus one.

    It keeps count of its calls, and refuses to be rewound to a place that it has not been at.
    """

    def __init__(self, wrong_every: int = 0):
        self.fed, self.calls, self.length, self.wrong_every = [], 0, 1000, wrong_every

    def feed(self, tokens):
        self.calls += 1
        rows = np.zeros((len(tokens), 256), np.float32)
        for row, token in enumerate(tokens):
            self.fed.append(int(token))
            off = self.wrong_every and len(self.fed) % self.wrong_every == 0
            rows[row, (3 * int(token) + 1 + bool(off)) % 256] = 1
        return rows

    def rewind(self, position=0):
        assert 0 <= position <= len(self.fed)
        del self.fed[position:]


def greedy(prompt, tokens):
    engine, text = Counting(), list(prompt)
    for _ in range(tokens):
        engine.rewind()
        text.append(int(engine.feed(text)[-1].argmax()))
    return text[len(prompt) :]


@pytest.mark.parametrize("wrong_every", [1, 2, 3, 7, 0])
@pytest.mark.parametrize("guesses", [1, 3])
def test_speculation_writes_the_greedy_text(wrong_every, guesses):
    target, draft = Counting(), GreedyDraft(Counting(wrong_every))
    found = speculate(target, draft, b"abc", 40, guesses)
    assert found.tokens.tolist() == greedy(b"abc", 40)
    assert target.calls == found.calls + 1
    assert 1 + found.calls + sum(found.accepted) >= 40
    assert found.tokens_per_call == pytest.approx(1 + sum(found.accepted) / found.calls)
    if wrong_every == 0:
        assert found.acceptance == 1
        assert found.tokens_per_call == guesses + 1
    if wrong_every == 1:
        assert found.acceptance == 0
        assert found.calls == 39


def test_acceptance_counts_tested_guesses_only():
    found = Speculation(np.arange(4), 3, (2, 0, 3), 3)
    assert found.acceptance == pytest.approx(5 / (3 + 1 + 3))
    both = together([found, found])
    assert both.calls == 6
    assert len(both.tokens) == 8
    assert both.acceptance == found.acceptance
    assert expected_tokens_per_call(0.5, 2) == pytest.approx(1.75)
    assert expected_tokens_per_call(1, 3) == 4
    assert expected_tokens_per_call(0, 3) == 1


def test_a_lookup_draft_continues_what_it_has_seen():
    draft = LookupDraft(b"abcabcabd" * 3, order=4)
    assert bytes(draft(np.frombuffer(b"xxab", np.uint8), 4)) == b"cabc"
    assert bytes(draft(np.frombuffer(b"\xff", np.uint8), 1)) == b"a"


def test_speculation_refuses():
    engine = Counting()
    with pytest.raises(LanguageModelError, match="2 were asked for"):
        speculate(engine, lambda text, count: [1], b"abc", 5, 2)
    with pytest.raises(LanguageModelError, match="do not fit"):
        speculate(engine, lambda text, count: [1], b"abc", 999, 2)
    with pytest.raises(LanguageModelError, match="prompt is empty"):
        speculate(engine, lambda text, count: [1], b"", 5, 2)
    with pytest.raises(LanguageModelError, match="tokens is 0"):
        speculate(engine, lambda text, count: [1], b"abc", 0, 2)
    with pytest.raises(LanguageModelError, match="from 0 to 1"):
        expected_tokens_per_call(1.5, 2)
    with pytest.raises(LanguageModelError, match="same number"):
        together([])
    with pytest.raises(LanguageModelError, match="at least 6"):
        LookupDraft(b"abc")


def test_a_real_gpt_writes_the_same_with_any_draft():
    from helpers.generation import Decoder
    from helpers.language_models import build_gpt

    engine = Decoder(build_gpt(context=32, width=16, layers=1, heads=2, seed=0))
    drafts = {"table": LookupDraft(b"hello world " * 9), "itself": GreedyDraft(engine)}
    drafts["itself"].engine = Decoder(engine.model)
    rows, wrong = compare_drafts(engine, drafts, [b"hello", b"world"], 8, 2, rounds=1)
    assert wrong == 0
    assert [row["draft"] for row in rows] == ["table", "itself"]
    assert rows[1]["accepted"] == 1
    assert rows[1]["calls"] < rows[1]["plain_calls"] == 14
    assert tokens_per_second({"float": engine}, b"h", 4, 1)["float"] > 0


def test_collections_under_load_and_loads_against_capacity():
    x = np.zeros((3, 1), np.float32)
    tails = tails_with_collections(lambda batch: batch, x, even_arrivals(500, 10), 5, 1)
    assert len(tails) == 2
    assert min(tails) > 0

    def serve(way, due, size):
        with DynamicBatcher(lambda batch: batch, size) as batcher:
            return open_load(batcher.submit, due), 1.0

    found = against_load(serve, [{"way": "a", "one_by_one": 1000.0}], (0.1, 0.2), 4, 0.02)
    assert list(found) == [("a", 1), ("a", 4)]
    assert all(len(results) == 2 for results in found.values())
