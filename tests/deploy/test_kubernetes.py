"""The manifests: true to Kubernetes' own schemas, every name in them known, every pod as restricted as it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml

from bridge import settings
from tests.deploy.tools import DEPLOY, document, run, tool, understood

FOLDER = DEPLOY / "kubernetes"
Node = dict[str, Any]


def manifests(path: Path) -> list[Node]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


BASE = [
    row
    for name in document(FOLDER / "base/kustomization.yaml")["resources"]
    for row in manifests(FOLDER / "base" / name)
]
EXAMPLE = document(FOLDER / "secret.example.yaml")
PATCH = document(FOLDER / "account/ingester.yaml")
WORKLOADS = [row for row in BASE if row["kind"] in ("Deployment", "StatefulSet")]


def of_kind(*kinds: str) -> list[Node]:
    return [row for row in BASE if row["kind"] in kinds]


def title(row: Node) -> str:
    return f"{row['kind']} {row['metadata']['name']}"


@pytest.mark.parametrize("row", [*BASE, EXAMPLE], ids=title)
def test_a_manifest_is_true_to_the_schema(row: Node) -> None:
    kubernetes_validate.validate(row, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("folder", ["base", "account"])
def test_kustomize_puts_a_whole_together_that_is_true_to_the_schema(folder: str) -> None:
    built = list(yaml.safe_load_all(run(tool("kubectl", "kubernetes-client"), "kustomize", FOLDER / folder)))
    assert len(built) == len(BASE)
    for row in built:
        kubernetes_validate.validate(row, kubernetes_validate.latest_version(), strict=True)
        assert row["kind"] == "Namespace" or row["metadata"]["namespace"] == "bitmart-bridge"
        for container in row.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            assert container["image"] == "bitmart-bridge:0.1.0"
            paths = {mount["mountPath"] for mount in container["volumeMounts"]}
            files = [one["value"] for one in container["env"] if one["name"].endswith("_FILE")]
            assert all(file.rpartition("/")[0] in paths for file in files)


def test_every_file_of_a_kustomization_is_there() -> None:
    for folder in ("base", "account"):
        kustomization = document(FOLDER / folder / "kustomization.yaml")
        named = [*kustomization["resources"], *(patch["path"] for patch in kustomization.get("patches", ()))]
        assert [name for name in named if not (FOLDER / folder / name).exists()] == []
    known = {path.name for path in (FOLDER / "base").iterdir()} - {"kustomization.yaml"}
    assert known == set(document(FOLDER / "base/kustomization.yaml")["resources"])


@pytest.mark.parametrize("row", WORKLOADS, ids=title)
def test_every_name_leads_somewhere(row: Node) -> None:
    pod = row["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert row["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["serviceAccountName"] in {one["metadata"]["name"] for one in of_kind("ServiceAccount")}
    maps = {one["metadata"]["name"] for one in of_kind("ConfigMap")}
    assert {source["configMapRef"]["name"] for source in container["envFrom"]} <= maps
    ports = {port["name"] for port in container["ports"]}
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    volumes = {volume["name"]: volume["secret"] for volume in pod["spec"]["volumes"]}
    held = {item["path"] for secret in volumes.values() for item in secret["items"]}
    assert {secret["secretName"] for secret in volumes.values()} == {EXAMPLE["metadata"]["name"]}
    assert {item["key"] for secret in volumes.values() for item in secret["items"]} <= set(EXAMPLE["stringData"])
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    files = [one["value"] for one in container["env"] if one["name"].endswith("_FILE")]
    assert {file.rpartition("/")[2] for file in files} == held
    if row["kind"] == "StatefulSet":
        assert row["spec"]["serviceName"] in {one["metadata"]["name"] for one in of_kind("Service")}


@pytest.mark.parametrize("row", of_kind("Service", "PodDisruptionBudget", "NetworkPolicy"), ids=title)
def test_a_selector_finds_pods_and_ports(row: Node) -> None:
    spec = row["spec"]
    wanted = spec["selector"] if row["kind"] == "Service" else (spec.get("selector") or spec["podSelector"])
    labels = wanted.get("matchLabels", wanted)
    found = [
        one["spec"]["template"]
        for one in WORKLOADS
        if labels.items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert found
    ports = {port["name"] for pod in found for port in pod["spec"]["containers"][0]["ports"]}
    named = [port["targetPort"] for port in spec.get("ports", ())]
    named += [port["port"] for rule in spec.get("ingress", ()) for port in rule["ports"]]
    assert set(named) <= ports


@pytest.mark.parametrize("row", WORKLOADS, ids=title)
def test_a_pod_is_as_restricted_as_it_can_be(row: Node) -> None:
    pod = row["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_no_service_account_gets_a_token_and_the_namespace_takes_no_other_pods() -> None:
    assert [one["automountServiceAccountToken"] for one in of_kind("ServiceAccount")] == [False]
    (namespace,) = of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_no_policy_names_is_refused() -> None:
    (rest,) = (row for row in of_kind("NetworkPolicy") if row["spec"]["podSelector"] == {})
    assert rest["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("row", [*WORKLOADS, PATCH], ids=title)
def test_a_part_is_given_what_it_understands(row: Node) -> None:
    (container,) = row["spec"]["template"]["spec"]["containers"]
    if "args" in container:
        understood(container["args"])
    (given,) = of_kind("ConfigMap")
    assert settings.load(given["data"], dotenv=None).rest_address == "cluster"
    assert {one["name"] for one in container["env"]} | set(given["data"]) <= set(settings.variables())


def test_an_ingester_is_called_as_its_pod() -> None:
    (ingester,) = of_kind("StatefulSet")
    (container,) = ingester["spec"]["template"]["spec"]["containers"]
    (name,) = (one for one in container["env"] if one["name"] == "INGESTER_ID")
    assert name["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
