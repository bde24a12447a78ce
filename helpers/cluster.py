"""Kubernetes manifests that are checked, and a scheduler that places whole jobs.

Built in view in chapter 15.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helpers.training_memory import CostError

KUBERNETES = "1.37"


def refusal(manifest: Mapping[str, Any], version: str = KUBERNETES) -> str:
    """Why the schema of Kubernetes `version` refuses `manifest`, or "" if it accepts it.

    Strict: unknown fields are refused, too. A schema knows names and types; it does not know
    whether a Deployment of that name exists or whether the quota allows it. Raises `CostError`
    for what is no manifest.
    """
    import kubernetes_validate

    if not isinstance(manifest, Mapping) or not {"apiVersion", "kind"} <= set(manifest):
        raise CostError("A manifest is a mapping with 'apiVersion' and 'kind'.")
    try:
        kubernetes_validate.validate(dict(manifest), version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return f"{manifest['apiVersion']} knows no {manifest['kind']} in Kubernetes {version}"
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return ""


def autoscaler(name: str, least: int, most: int, utilization: int) -> dict[str, Any]:
    """Manifest of a HorizontalPodAutoscaler (autoscaling/v2) for the Deployment `name`.

    least, most   bounds of the number of replicas
    utilization   CPU use aimed at, per cent of the request
    """
    if not 1 <= least <= most or not 1 <= utilization <= 100:
        raise CostError("Give 1 <= least <= most, and a utilization from 1 to 100 per cent.")
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def finished(jobs: Sequence[tuple[int, int]], gpus: int, gang: bool, limit: int = 10_000) -> list:
    """Hour at which each job ends, or None for one that never does, on a cluster of `gpus`.

    jobs   (GPUs, hours) of each, all waiting at hour 0, in the order of their arrival
    gang   True: a job takes all its GPUs at once or none, and smaller ones behind it may start.
           False: free GPUs are dealt out one at a time in turn, and a job keeps what it has got

    A job runs only when it has all its GPUs. Raises `CostError` for a job that is larger than the
    cluster.
    """
    if any(not 1 <= need <= gpus or hours < 1 for need, hours in jobs):
        raise CostError(f"Each job needs from 1 to {gpus} GPUs and an hour or more.")
    held, ends = [0] * len(jobs), [None] * len(jobs)
    for hour in range(limit):
        for number, end in enumerate(ends):
            held[number] = 0 if end is not None and end <= hour else held[number]
        free, progress = gpus - sum(held), True
        while free and progress:
            progress = False
            for number, (need, _) in enumerate(jobs):
                step = need if gang else 1
                if ends[number] is None and held[number] < need and step <= free:
                    held[number] += step
                    free, progress = free - step, True
        for number, (need, hours) in enumerate(jobs):
            if ends[number] is None and held[number] == need:
                ends[number] = hour + hours
        if all(end is not None or not gang for end in ends):
            running = [end for end in ends if end is not None and end > hour]
            if not running:
                return ends
    return ends
