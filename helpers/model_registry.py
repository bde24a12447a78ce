"""A model registry on a file: MLflow's client on SQLite, without server, network or chatter.

Built for chapter 28.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# MLflow reports its use to its makers unless told otherwise, and Git is asked for by path only.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


def open_registry(folder: Path | str) -> Any:
    """An `mlflow.MlflowClient` whose runs and registry lie in `folder`/registry.sqlite.

    The first call of a process imports MLflow and writes the tables, some seconds of work; no
    server is started and nothing is sent.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(_QUIET)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    # MLflow sets its own levels while it is imported.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    address = f"sqlite:///{(folder / 'registry.sqlite').as_posix()}"
    return MlflowClient(tracking_uri=address, registry_uri=address)


def experiment(client: Any, folder: Path | str, name: str) -> str:
    """The id of the experiment `name`, made if it is new; its files lie under `folder`."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        return known.experiment_id
    place = (Path(folder).resolve() / "runs").as_uri()
    return client.create_experiment(name, artifact_location=place)


def register(
    client: Any,
    experiment_id: str,
    model: str,
    *,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    texts: Mapping[str, str],
) -> str:
    """The number of a new version of `model`, with one finished run that says how it came about.

    tags   kept at the run and at the version, such as the hash of the weights
    texts  {file name: text} kept with the run, such as the model card
    """
    run = client.create_run(experiment_id, tags=dict(tags))
    for name, value in parameters.items():
        client.log_param(run.info.run_id, name, value)
    for name, number in metrics.items():
        client.log_metric(run.info.run_id, name, float(number))
    for name, text in texts.items():
        client.log_text(run.info.run_id, text, name)
    client.set_terminated(run.info.run_id)
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model)
    made = client.create_model_version(
        model, source=run.info.artifact_uri, run_id=run.info.run_id, tags=dict(tags)
    )
    return str(made.version)
