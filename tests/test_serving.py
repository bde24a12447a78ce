"""The model server: protocol against its documentation, limits, versions, and its end."""

import json
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from helpers.deployment_files import (
    FOLDER,
    DeploymentFileError,
    docker_findings,
    docker_tool,
    manifest_findings,
)
from helpers.load_generator import closed_load
from helpers.serving import Limits, newest_models, serve
from helpers.serving_client import Client, ClientError, malformed
from helpers.serving_models import Router, ServingError, Version, in_canary, load
from helpers.serving_protocol import BadRequest, Signature, decode, read_predict, write_metadata
from helpers.serving_simple import simple_server

HALF = {"linear": [0.5, 2.0]}
PATH = "/v1/models/half_plus_two"


@pytest.fixture(scope="module")
def server():
    slow = {**HALF, "delay_ms": 300}
    limits = Limits(body_bytes=3000, rows=8, seconds=3, queue=16, batch=4)
    with serve({"half_plus_two": HALF, "slow": slow}, limits) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    found = Client(server.host, server.port)
    yield found
    found.close()


# The requests and answers of https://www.tensorflow.org/tfx/serving/api_rest.
@pytest.mark.parametrize(
    ("method", "end", "body", "expected"),
    [
        ("POST", ":predict", {"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
        (
            "POST",
            "/versions/1:predict",
            {"signature_name": "serving_default", "instances": [1.0, 2.0, 5.0]},
            {"predictions": [2.5, 3.0, 4.5]},
        ),
        ("POST", ":predict", {"inputs": [1.0, 2.0, 5.0]}, {"outputs": [2.5, 3.0, 4.5]}),
        ("POST", ":predict", {"inputs": {"x": [1.0, 2.0]}}, {"outputs": [2.5, 3.0]}),
        ("POST", ":predict", {"instances": [{"x": 1}, {"x": 2}]}, {"predictions": [2.5, 3.0]}),
    ],
)
def test_documented_answers(client, method, end, body, expected):
    found = client.ask(method, PATH + end, body)
    assert (found.status, found.content) == (200, expected)
    assert found.headers["x-model-version"] == "1"


@pytest.mark.parametrize("end", ["", "/versions/1"])
def test_documented_status(client, end):
    entry = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert client.ask("GET", PATH + end).content == {"model_version_status": [entry]}


def test_metadata_have_the_documented_form(client):
    found = client.ask("GET", PATH + "/metadata").content
    assert found["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "1"}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    tensor = write_metadata("m", 1, Signature((3, 2), (4,)))["metadata"]["signature_def"]
    shape = tensor["signature_def"]["serving_default"]["inputs"]["x"]["tensor_shape"]
    assert [one["size"] for one in shape["dim"]] == ["-1", "3", "2"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "deeply"),
        (b"[1]", "no object"),
        (b'{"instances": [NaN]}', "NaN"),
        (b'{"instances": [1], "instances": [2]}', "twice"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", "not JSON"),
        (b'{"instances": [1e39]}', "float32"),
        (b'{"instances": [1e999]}', "float32"),
        (b'{"instances": [' + b"9" * 400 + b"]}", "finite numbers"),
        (b'{"instances": [true]}', "nothing is converted"),
        (b'{"instances": ["1"]}', "nothing is converted"),
        (b'{"instances": [null]}', "nothing is converted"),
        (b'{"instances": [[1]]}', "nothing is converted"),
        (b'{"instances": []}', "not empty"),
        (b'{"instances": {"x": 1}}', "not empty"),
        (b'{"inputs": {"z": [1]}}', "one input"),
        (b'{"instances": [{"x": 1}, 2]}', "named instance"),
        (b'{"instances": [1], "inputs": [1]}', "exactly one"),
        (b"{}", "exactly one"),
        (b'{"instances": [1], "signature_name": "x"}', "one signature"),
        (b'{"instances": [1], "other": 1}', "unknown"),
    ],
)
def test_each_fault_has_its_reason(body, reason):
    with pytest.raises(BadRequest, match=reason) as problem:
        read_predict(body, Signature((), ()))
    assert problem.value.status == 400


def test_shapes_and_rows():
    matrix = Signature((2, 2), (3,))
    good = {"instances": [[[1, 2], [3, 4.5]]]}
    array, rows = read_predict(json.dumps(good).encode(), matrix)
    assert rows
    assert array.dtype == np.float32
    assert array.tolist() == good["instances"]
    for wrong in ([[[1, 2], [3]]], [[[1, 2]]], [[1, 2]], [[[1, 2, 3], [1, 2, 3]]]):
        with pytest.raises(BadRequest, match="shape"):
            read_predict(json.dumps({"inputs": wrong}).encode(), matrix)
    with pytest.raises(BadRequest, match="at most 2") as problem:
        read_predict(b'{"instances": [1, 2, 3]}', Signature((), ()), max_rows=2)
    assert problem.value.status == 413
    assert decode(b'{"a": 1}') == {"a": 1}


def test_malformed_requests_are_refused_with_reasons(client, server):
    openapi = client.ask("GET", "/openapi.json").content
    # A scalar takes the place of a row here, so faults that only rows can have are left out.
    skipped = {"one level too few", "wrong width", "ragged rows"}
    found = malformed(openapi, "half_plus_two", [[1.0]], 700, seed=3)
    assert len({one.kind for one in found}) > 30
    for one in found:
        if one.kind in skipped:
            continue
        answer = client.ask(one.method, one.path, one.body, one.headers)
        assert 400 <= answer.status < 500, (one, answer)
        assert answer.content["error"]
    assert server.process.poll() is None
    assert client.predict("half_plus_two", [1.0]).content == {"predictions": [2.5]}
    with pytest.raises(ClientError, match="openapi"):
        malformed({}, "m", [[1.0]], 5)


def test_limits(client):
    assert client.ask("POST", PATH + ":predict", {"instances": [1.25] * 2000}).status == 413
    assert client.ask("POST", PATH + ":predict", {"instances": [1.0] * 9}).status == 413
    crowd = []

    def ask(_):
        answer = client.ask("POST", "/v1/models/slow:predict", {"instances": [1.0] * 8})
        crowd.append((answer.status, answer.headers.get("retry-after")))

    closed_load(ask, 6, 6)
    assert {status for status, _ in crowd} <= {200, 503}
    assert (503, "1") in crowd
    assert (200, None) in crowd
    with pytest.raises(ServingError, match="rows"):
        Limits(rows=0)


def test_a_body_without_length_is_counted_too(server):
    import http.client

    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("POST", PATH + ":predict", iter([b" " * 1000] * 9), encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_slow_model_ends_in_a_time_out():
    with serve({"slow": {**HALF, "delay_ms": 500}}, Limits(seconds=0.1)) as running:
        client = Client(running.host, running.port)
        answer = client.ask("POST", "/v1/models/slow:predict", {"instances": [1.0]})
        assert answer.status == 504
        assert "longer" in answer.content["error"]
        client.close()


def test_health_and_loopback(client, server):
    assert client.ask("GET", "/healthz").content == {"status": "alive"}
    assert client.ask("GET", "/readyz").status == 200
    listening = [
        one.laddr.ip
        for one in psutil.Process(server.pid).net_connections("inet")
        if one.status == "LISTEN"
    ]
    assert listening == ["127.0.0.1"]


def test_a_swap_under_load_loses_nothing():
    with serve({"m": {"linear": [1.0, 0.0]}}) as running:
        client, seen = Client(running.host, running.port), []

        def ask(number):
            answer = client.predict("m", [2.0], user=f"u{number % 50}")
            version = int(answer.headers["x-model-version"])
            assert answer.content == {"predictions": [2.0 * version]}
            seen.append(version)
            if number == 150:
                running.order("load", "m", version=2, source={"linear": [2.0, 0.0]})
                running.order("canary", "m", version=2, share=0.3)
            if number == 450:
                running.order("promote", "m", version=2)

        result = closed_load(ask, 8, 700)
        assert result.failed == 0, result.errors[:3]
        assert set(seen) == {1, 2}
        assert seen[-50:] == [2] * 50
        assert client.ask("GET", "/v1/models/m/versions/1").status == 404
        for order, reason in (
            (("load", "m", {"version": 2, "source": HALF}), "already"),
            (("promote", "m", {"version": 7}), "no version 7"),
            (("canary", "m", {"version": 2, "share": 0.5}), "cannot be the canary"),
            (("dance", "m", {"version": 2}), "cannot be carried out"),
            (("load", "m", {"version": 3, "source": {"litert": "nowhere.tflite"}}), "no model"),
        ):
            with pytest.raises(ServingError, match=reason):
                running.order(order[0], order[1], **order[2])
        client.close()


def test_the_canary_is_sticky_and_has_its_share():
    users = [f"user{k}" for k in range(4000)]
    chosen = [{user for user in users if in_canary(user, share)} for share in (0, 0.1, 0.3, 1)]
    assert not chosen[0]
    assert chosen[1] < chosen[2] < chosen[3] == set(users)
    assert abs(len(chosen[1]) / 4000 - 0.1) < 0.03
    router = Router({1: None, 2: None}, stable=1)
    with pytest.raises(ServingError, match="from 0 to 1"):
        router.try_out(2, 1.5)
    with pytest.raises(BadRequest, match="no version 3"):
        router.choose("", 3)


def test_a_retired_version_answers_what_it_holds():
    version = Version(1, {**HALF, "delay_ms": 20}, batch=2, delay_ms=0, queue=100)
    futures = version.submit(np.arange(10, dtype=np.float32))
    version.retire()
    assert [future.result(0) for future in futures] == [0.5 * k + 2 for k in range(10)]
    assert version.state == "END"


def test_the_server_is_gone_after_an_error_in_the_block():
    with pytest.raises(RuntimeError, match="on purpose"), serve({"m": HALF}) as running:
        raise RuntimeError("on purpose")
    assert running.process.poll() is not None
    with pytest.raises(ServingError, match="has ended"):
        running.order("promote", "m", version=1)


def test_the_server_is_gone_when_its_starter_is_killed():
    code = (
        "import os; from helpers.serving import serve; "
        "s = serve({'m': {'linear': [1, 0]}}); print(s.pid, flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid, deadline = int(done.stdout), time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server outlived the process that started it"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "source",
    [{"litert": "no.tflite"}, {"onnx": "x"}, {"linear": [1]}, {"linear": ["a", 1]}, {}],
)
def test_a_model_that_does_not_load_is_told(source):
    with pytest.raises(ServingError):
        load(source, 4)


def test_a_server_that_cannot_start_says_why(tmp_path):
    with pytest.raises(ServingError, match=r"did not start: There is no model file no\.tflite"):
        serve({"m": {"litert": str(tmp_path / "no.tflite")}})
    with pytest.raises(ServingError, match="NAME/VERSION"):
        newest_models(tmp_path)


def test_the_newest_version_in_a_folder(tmp_path):
    for number in (2, 10):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
        (tmp_path / "m" / str(number) / "model.tflite").write_bytes(b"")
    expected = {"litert": str(tmp_path / "m" / "10" / "model.tflite")}
    assert newest_models(tmp_path) == {"m": expected}


def test_the_simple_server_answers_and_fails():
    with simple_server(lambda x: x * 2) as simple:
        client = Client(simple.host, simple.port)
        assert client.predict("m", [[1, 2]]).content == {"predictions": [[2.0, 4.0]]}
        assert client.predict("m", [["1", True]]).status == 200
        assert client.ask("POST", "/v1/models/m:predict", b"{").status == 500
        client.close()


def test_the_course_files_are_clean_and_faults_are_found():
    docker = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    cluster = (FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")
    assert docker_tool()
    assert docker_findings(docker) == []
    assert manifest_findings(cluster) == []
    assert docker_findings(docker.replace(":3.11.14-slim-bookworm\nENV", ":latest\nENV"))
    assert manifest_findings(cluster.replace("replicas: 3", "replicas: three"))
    assert manifest_findings(cluster.replace("kind: Service", "kind: Servise"))
    with pytest.raises(DeploymentFileError, match="FROM"):
        docker_findings("RUN true")
    with pytest.raises(DeploymentFileError, match="YAML"):
        manifest_findings("a: [")
    with pytest.raises(DeploymentFileError, match="no object"):
        manifest_findings("")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ((":3.11.14-slim-bookworm\nENV", "\nENV"), "tag"),
        (("USER 10001", "USER root"), "user"),
        (("CMD [", "CMD echo ["), "shell"),
    ],
)
def test_the_three_rules_stand_in_for_hadolint(monkeypatch, change, rule):
    monkeypatch.setattr("helpers.deployment_files._hadolint", lambda: "")
    docker = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    assert docker_findings(docker) == []
    assert [one.rule for one in docker_findings(docker.replace(*change))] == [rule]
