"""Software bill of materials of this environment in CycloneDX 1.6, with the model. Chapter 26.

Written and validated with the OWASP library cyclonedx-python-lib (https://cyclonedx.org/). Holds
names, versions, licences and hashes; no path and no name of the machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Package:
    """An installed distribution: `name`, `version` and its `licence` as it declares it, or ""."""

    name: str
    version: str
    licence: str


def _licence(about: metadata.PackageMetadata) -> str:
    """What the distribution says: SPDX expression, else classifiers, else a short `License`."""
    if expression := about.get("License-Expression"):
        return expression.strip()
    kinds = [
        line.rsplit(" :: ", 1)[-1]
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ") and line.count(" :: ") >= 2
    ]
    if kinds:
        return " and ".join(sorted(kinds))
    lines = (about.get("License") or "").strip().splitlines()
    # Some distributions put the whole text here; that is no name.
    return lines[0].strip() if len(lines) == 1 and len(lines[0]) <= 80 else ""


def installed() -> list[Package]:
    """Every distribution of this environment once, sorted by its normalised name."""
    found = {}
    for distribution in metadata.distributions():
        name = distribution.metadata.get("Name")
        if name:
            key = re.sub(r"[-_.]+", "-", name).lower()
            licence = _licence(distribution.metadata)
            found.setdefault(key, Package(key, distribution.version, licence))
    return [found[key] for key in sorted(found)]


def kind_of_licence(licence: str) -> str:
    """`permissive`, `weak copyleft`, `strong copyleft`, `not declared` or `other`, by its words.

    A first sieve, so that people read the rest; no legal advice. "AGPL or MIT" counts as `other`:
    a choice is read by a person.
    """
    text = licence.lower()
    if not text:
        return "not declared"
    weak = re.search(r"lgpl|lesser general|mpl|mozilla|epl|eclipse", text)
    strong = re.search(r"(?<!l)(?:a?gpl)|(?:affero|gnu) general public", text)
    if re.search(r"\sor\s(?!later)", text) and (weak or strong):
        return "other"
    if strong:
        return "strong copyleft"
    if weak:
        return "weak copyleft"
    free = r"mit|bsd|apache|isc|psf|python software|zlib|unlicense|cc0|hpnd|0bsd|public domain"
    return "permissive" if re.search(free, text) else "other"


def bill(packages: list[Package], model: str, version: str, digests: Mapping[str, str]) -> str:
    """A CycloneDX 1.6 document (JSON text): the `model` and the `packages` it was made with.

    `digests` gives the SHA-256 of each file of the model. Raises `ValueError` without packages.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    if not packages:
        raise ValueError("There are no packages: list what is installed first.")
    document = Bom()
    document.metadata.component = Component(
        name=model,
        version=version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{model}",
        components=[
            Component(
                name=name,
                type=ComponentType.FILE,
                bom_ref=f"file:{name}",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            )
            for name, digest in digests.items()
        ],
    )
    for package in packages:
        address = PackageURL("pypi", None, package.name, package.version)
        licences = [DisjunctiveLicense(name=package.licence)] if package.licence else []
        document.components.add(
            Component(
                name=package.name,
                version=package.version,
                type=ComponentType.LIBRARY,
                purl=address,
                bom_ref=str(address),
                licenses=licences,
            )
        )
    document.register_dependency(document.metadata.component, document.components)
    return JsonV1Dot6(document).output_as_string(indent=1)


def paths_in(document: str) -> int:
    """How many of this machine's own folders the `document` names: home, working folder, Python."""
    import sys
    from pathlib import Path

    folders = {Path.home(), Path.cwd(), Path(sys.prefix), Path(__file__).resolve().parents[1]}
    spelled = {form for folder in folders for form in (str(folder), folder.as_posix())}
    return sum(json.dumps(form)[1:-1] in document for form in spelled if len(form) > 1)


def fault(document: str) -> str:
    """ "" if `document` is valid by the CycloneDX 1.6 schema, else the first thing that is not."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(document)
    return "" if found is None else str(getattr(found.data, "message", found.data))[:200]
