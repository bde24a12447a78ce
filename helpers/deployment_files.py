"""Checks of what a deployment is written in: Dockerfiles and Kubernetes manifests.

hadolint reads the Dockerfile, kubernetes-validate holds the manifests against the schemas of
Kubernetes. Neither needs a container or a cluster, and neither proves that one would accept them:
admission rules, quotas and missing images show only there. Built in view in chapter 27.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data" / "deployment"


class DeploymentFileError(ValueError):
    """A file that cannot be checked at all; one sentence."""


@dataclass(frozen=True)
class Finding:
    """One fault: `rule` (a code or a kind of object) and `text`, what is wrong."""

    rule: str
    text: str


def _hadolint() -> str:
    beside = Path(sys.executable).parent / "hadolint"
    return str(beside) if beside.exists() else shutil.which("hadolint") or ""


def docker_tool() -> str:
    """The name of the tool that `docker_findings` uses on this machine."""
    return "hadolint" if _hadolint() else "the three rules of this course"


def docker_findings(text: str) -> list[Finding]:
    """The `Finding`s in a Dockerfile: hadolint's, and where there is none those of three rules.

    The three rules: a base image has a fixed tag, the last user is not root, and the process is
    started without a shell. Raises `DeploymentFileError` for a text without a FROM line.
    """
    if not re.search(r"(?m)^FROM \S", text):
        raise DeploymentFileError("There is no FROM line; give the text of a Dockerfile.")
    found = _three_rules(text)
    if not _hadolint():
        return found
    done = subprocess.run(
        [_hadolint(), "--no-fail", "--format", "json", "-"],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    try:
        return [Finding(one["code"], one["message"]) for one in json.loads(done.stdout)]
    except ValueError as error:
        raise DeploymentFileError(f"hadolint gave no answer: {done.stderr[:200]}") from error


def _three_rules(text: str) -> list[Finding]:
    found = []
    for image in re.findall(r"(?m)^FROM (\S+)", text):
        if ":" not in image or image.endswith(":latest"):
            found.append(Finding("tag", f"The image {image} has no fixed tag."))
    users = re.findall(r"(?m)^USER (\S+)", text)
    if not users or users[-1] in ("root", "0"):
        found.append(Finding("user", "The container runs as root."))
    if re.search(r"(?m)^(CMD|ENTRYPOINT) +[^\[\s]", text):
        found.append(Finding("shell", "A shell stands between the signal to stop and the process."))
    return found


def manifest_findings(text: str) -> list[Finding]:
    """The `Finding`s in Kubernetes manifests, one YAML document for each object.

    Each document is held against its strict schema of the newest version that
    kubernetes-validate knows. Then the names are followed: an autoscaler must aim at a Deployment
    of the file, and a Service must select its pods. Raises `DeploymentFileError` for no YAML.
    """
    import kubernetes_validate
    import yaml

    try:
        objects = [one for one in yaml.safe_load_all(text) if one]
    except yaml.YAMLError as error:
        raise DeploymentFileError("This is no YAML; give Kubernetes manifests.") from error
    if not objects or not all(isinstance(one, dict) for one in objects):
        raise DeploymentFileError("There is no object in the text; give Kubernetes manifests.")
    found, newest = [], kubernetes_validate.latest_version()
    for one in objects:
        kind = str(one.get("kind", "object"))
        try:
            kubernetes_validate.validate(one, newest, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(Finding(kind, str(getattr(error, "message", error))[:160]))
        except Exception as error:  # No schema: an unknown kind or version of the interface.
            found.append(Finding(kind, f"no schema: {type(error).__name__}"))
    return found or _broken_names(objects)


def _broken_names(objects: list[dict]) -> list[Finding]:
    """Objects that refer to nothing in the same file."""
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"].get("labels", {})
        for one in objects
        if one["kind"] == "Deployment"
    }
    found = []
    for one in objects:
        if one["kind"] == "HorizontalPodAutoscaler":
            target = one["spec"]["scaleTargetRef"]["name"]
            if target not in pods:
                found.append(Finding(one["kind"], f"no Deployment is called {target!r}"))
        if one["kind"] == "Service":
            wanted = (one["spec"].get("selector") or {}).items()
            if not any(wanted <= labels.items() for labels in pods.values()):
                found.append(Finding(one["kind"], "its selector matches no pod of the file"))
    return found
