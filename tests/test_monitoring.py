"""Metrics, rules, logs and the two servers of chapter 29, against independent truths."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers import burn_rate, dashboards, log_privacy, monitoring, promtool, replayed_traffic
from helpers.monitored_service import LinearModel, Traffic, monitored
from helpers.prometheus_server import Results, prometheus

KEY = b"k" * 32
needs_prometheus = pytest.mark.skipif(promtool.why_not() != "", reason=promtool.why_not())


@pytest.fixture
def released():
    rng = np.random.default_rng(0)
    return monitoring.reference(rng.random(400), rng.random(400) < 0.9)


@pytest.fixture
def model():
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(6, 2)))[0].T
    return LinearModel(rng.normal(size=(6, 3)), np.zeros(3), np.zeros(6), axes)


def test_psi_is_the_sum_of_both_divergences():
    from scipy.stats import entropy

    q, counts = np.array([0.2, 0.3, 0.5]), np.array([50, 30, 20])
    p = counts / 100
    assert monitoring.psi(q, counts) == pytest.approx(entropy(p, q) + entropy(q, p))
    assert monitoring.psi(q, 1000 * q) == pytest.approx(0)


def test_reference_bins_hold_equal_shares_and_ties_leave_no_empty_bin(released):
    assert released.shares == pytest.approx(np.full(10, 0.1))
    tied = monitoring.reference(np.r_[np.zeros(150), np.arange(50)], np.ones(200))
    assert (tied.shares > 0).all()
    assert tied.shares.sum() == pytest.approx(1)
    assert len(tied.edges) == len(tied.shares) - 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: monitoring.reference(np.ones(5), np.ones(4)), "two of"),
        (lambda: monitoring.reference(np.ones(5), np.ones(5)), "at least 100"),
        (lambda: monitoring.reference(np.full(200, np.nan), np.ones(200)), "finite"),
        (lambda: monitoring.psi(np.ones(3) / 3, np.zeros(3)), "not all zero"),
        (lambda: monitoring.bucket_quantile(2, [1, np.inf], [1, 1]), "from 0 to 1"),
        (lambda: burn_rate.burn_rate(2, 0.99), "from 0 to 1"),
        (lambda: burn_rate.budget(1.0), "between 0 and 1"),
        (lambda: log_privacy.pseudonym("7", b"short"), "16 random"),
        (lambda: dashboards.dashboard(panels={}), "at least one"),
    ],
)
def test_bad_input_gets_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_bucket_quantile_by_hand():
    bounds = [0.1, 0.5, np.inf]
    assert monitoring.bucket_quantile(0.5, bounds, [20, 60, 20]) == pytest.approx(0.3)
    assert monitoring.bucket_quantile(0.99, bounds, [20, 60, 20]) == 0.5
    assert np.isnan(monitoring.bucket_quantile(0.5, bounds, [0, 0, 0]))


def test_metrics_count_and_refuse_free_labels(released):
    metrics = monitoring.ServiceMetrics(released)
    metrics.answered(0.3, "ok", 0.5)
    metrics.answered(0.3, "error")
    metrics.labelled(True, 3)
    values = metrics.values()
    assert values['model_requests_total{outcome="ok"}'] == 1
    assert values['model_request_seconds_bucket{le="0.5"}'] == 2
    assert sum(v for k, v in values.items() if k.startswith("model_input_total")) == 1
    assert values['model_labels_total{outcome="right"}'] == 3
    with pytest.raises(monitoring.MonitoringError, match="no other value"):
        metrics.answered(0.1, "someone@example.com")


def test_burn_rates_of_the_workbook():
    # Table 5-4 and the text around it: 14.4 spends 2 % in an hour, 6 spends 5 % in six.
    assert burn_rate.PAGE.budget_spent() == pytest.approx(0.02)
    assert burn_rate.TICKET.budget_spent() == pytest.approx(0.05)
    assert burn_rate.budget(0.999) == pytest.approx(43.2)
    assert burn_rate.exhausted(0.01, 0.999) == pytest.approx(3 * 24 * 60)
    assert burn_rate.PAGE.delay(1.0, 0.999) == pytest.approx(0.864)
    assert burn_rate.PAGE.delay(0.01, 0.999) == np.inf
    assert burn_rate.PAGE.fires(0.05, 0.05, 0.999)
    assert not burn_rate.PAGE.fires(0.05, 0.001, 0.999)


def _predictions():
    rng = np.random.default_rng(2)
    return replayed_traffic.Predictions(
        rng.random(300), rng.random(300) < 0.9, rng.random(300) / 3, rng.random(300) < 0.2
    )


def test_replay_repeats_and_shows_its_fault(released):
    fault = replayed_traffic.Fault("all", start=3, slow=0.5, failed=0.5, turned=1.0)
    one, two = (
        replayed_traffic.replay(
            np.random.default_rng(4), _predictions(), released, fault, minutes=6, label_wait=1
        )
        for _ in range(2)
    )
    assert one.requests == two.requests
    assert all(np.array_equal(one.series[name], two.series[name]) for name in one.series)
    before, after = (one.window('model_requests_total{outcome="error"', m, 3) for m in (3, 6))
    assert sum(before.values()) < 5 < 500 < sum(after.values())
    low = one.window("model_input_total", 6, 3)
    assert sum(list(low.values())[5:]) == 0
    with pytest.raises(monitoring.MonitoringError, match="shares from 0 to 1"):
        replayed_traffic.replay(
            np.random.default_rng(0), _predictions(), released, replayed_traffic.Fault("x", slow=2)
        )


@needs_prometheus
def test_rules_dashboard_and_shipped_tests(tmp_path):
    assert promtool.check_rules(monitoring.RULES) == 14
    assert promtool.test_file(monitoring.DATA / "alerts_test.yml") == ""
    board = dashboards.dashboard()
    assert promtool.check_rules(dashboards.as_rules(board, tmp_path / "b.yml")) == 5
    broken = tmp_path / "broken.yml"
    broken.write_text('{"groups": [{"name": "x", "rules": [{"alert": "A", "expr": "1 +"}]}]}')
    with pytest.raises(monitoring.MonitoringError, match="refuses the rules"):
        promtool.check_rules(broken)
    fast = promtool.shortened(monitoring.RULES, 100, tmp_path / "fast.yml")
    assert promtool.check_rules(fast) == 14
    assert "[3000ms]" in fast.read_text("utf-8")
    assert "for: 1200ms" in fast.read_text("utf-8")


def test_a_log_line_carries_the_ids_of_its_span():
    from helpers.tracing import memory_tracer, with_trace

    tracer, exporter = memory_tracer()
    stream = io.StringIO()
    logger = log_privacy.private_logger(stream, KEY, with_trace)
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        logger.info("here")
    line, inner = json.loads(stream.getvalue()), exporter.get_finished_spans()[0]
    assert line["trace_id"] == format(inner.context.trace_id, "032x")
    assert line["span_id"] == format(inner.context.span_id, "016x")


def test_a_panel_without_a_series_is_named():
    board = dashboards.dashboard(panels={"A": ("s", 'rate(model_x_total{a="model_y"}[5m])')})
    assert dashboards.unknown_names(board, ["model_requests_total"]) == ["model_x_total"]


@needs_prometheus
def test_firing_names_the_minutes(tmp_path):
    error = [0.0] * 41 + [150.0 * k for k in range(1, 41)]
    ok = [150.0 * min(k, 40) for k in range(81)]
    series = {
        'model_requests_total{outcome="ok"}': ok,
        'model_requests_total{outcome="error"}': error,
    }
    names = ["ErrorBudgetPage", "SlowRequests"]
    found = promtool.firing(monitoring.RULES, series, names, 20, tmp_path)
    assert found["SlowRequests"] == []
    assert found["ErrorBudgetPage"] == [float(minute) for minute in range(11, 21)]
    total = 'sum(model_requests_total{outcome="ok"})'
    assert promtool.agrees(monitoring.RULES, series, {(total, 5): 3000.0}, tmp_path)
    assert not promtool.agrees(monitoring.RULES, series, {(total, 5): 3100.0}, tmp_path)


def test_stored_results_stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    results = Results()
    assert results.stored
    assert "DOES NOT RUN HERE" in results.describe()
    assert results.run("rules", lambda: 1 / 0) == 14
    with pytest.raises(monitoring.MonitoringError, match="No result of Prometheus is stored"):
        results.run("unknown")
    results.close(tmp_path / "kept.json")
    assert not (tmp_path / "kept.json").exists()


def test_the_fuzzer_finds_leaks_and_none_in_the_private_log():
    rng = np.random.default_rng(5)
    survived, lines = log_privacy.fuzz(
        lambda stream: log_privacy.private_logger(stream, KEY), rng, 700
    )
    assert sum(survived.values()) == 0
    assert len(lines) == 700
    for place in range(100):  # every datum is found where nothing is masked
        planted = log_privacy.plant(rng)
        assert log_privacy.survives(planted, f"seen {planted.text} here"), (place, planted)


@pytest.mark.parametrize(
    "text",
    [
        "a.b@example.com",
        "A.B%40EXAMPLE.COM",
        "a.b%2540example.com",
        "a\u200b.b@example.com",
        "ａ.b＠example.com",
        "+49 170 123 45 67",
        "(0170) 1234567",
        "4111-1111-1111-1111",
        "customer 4711",
        "User#12345",
    ],
)
def test_masked(text):
    found = log_privacy.masked(f"bad: {text}!")
    assert "[" in found
    assert not any(c.isdigit() for c in found)
    assert "example" not in found.lower()


def test_what_is_no_personal_datum_stays():
    for text in ("took 12.5 ms", "row 17 of 4000", "HTTP 503", "step 123456"):
        assert log_privacy.masked(text) == text


def test_private_logger_keeps_what_is_useful():
    stream = io.StringIO()
    logger = log_privacy.private_logger(stream, KEY)
    logger.warning(
        "slow", customer=4711, seconds=0.25, card=4111111111111111, details=4111111111111111
    )
    line = json.loads(stream.getvalue())
    assert line["customer"] == log_privacy.pseudonym("4711", KEY) != "4711"
    assert line["seconds"] == 0.25
    assert line["level"] == "warning"
    assert line["dropped_fields"] == 1
    assert line["details"] == "[number]"
    assert "4111" not in stream.getvalue()


def test_service_answers_counts_and_is_gone(model, released, tmp_path):
    import http.client

    with monitored(model, released, tmp_path) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        for body, status in (('{"row": [1,2,3,4,5,6]}', 200), ('{"row": "x"}', 400)):
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
        connection.close()
        with pytest.raises(monitoring.MonitoringError, match="two shares"):
            service.fault(slow=2.0)
        service.fault(failed=1.0)
        with Traffic(service, np.ones((5, 6)), clients=2, rate=50):
            time.sleep(0.3)
        page, pid = service.metrics(), service.pid
    assert not psutil.pid_exists(pid)
    lines = [json.loads(line) for line in service.log.read_text("utf-8").splitlines()]
    errors = sum(line["outcome"] == "error" for line in lines)
    assert f'model_requests_total{{outcome="error"}} {float(errors)}' in page
    assert errors > 2
    assert 'model_requests_total{outcome="ok"} 1.0' in page


@needs_prometheus
def test_server_listens_on_loopback_and_is_gone_when_a_cell_fails(tmp_path):
    family = []

    def cell():
        with prometheus(monitoring.RULES, 9, tmp_path / "p") as server:
            keeper = psutil.Process(server.pid)
            family.extend([keeper, *keeper.children(recursive=True)])
            listening = [c for p in family for c in p.net_connections() if c.status == "LISTEN"]
            assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
            assert np.isnan(server.value("model:psi:10m"))
            return 1 / 0

    with pytest.raises(ZeroDivisionError):
        cell()
    assert len(family) == 2
    assert not any(process.is_running() for process in family)


@needs_prometheus
@pytest.mark.skipif(os.name == "nt", reason="the signal does not exist there")
def test_server_is_gone_when_its_notebook_is_killed(tmp_path):
    code = (
        "import time\nfrom helpers.prometheus_server import prometheus\n"
        "from helpers.monitoring import RULES\n"
        f"with prometheus(RULES, 9, {str(tmp_path / 'p')!r}) as server:\n"
        "    print(server.pid, flush=True)\n    time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[1]
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)
    keeper = psutil.Process(int(parent.stdout.readline()))
    family = [keeper, *keeper.children(recursive=True)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert psutil.wait_procs(family, timeout=20)[1] == []
