"""The Helm chart: its values without Helm, its manifests with it (make deploy-lint)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # its stubs are one more package in the lock

from semantik import __version__
from semantik.entrypoints import server
from semantik.jobs.values import QUEUES
from semantik.kit import settings
from tests.deploy import files

CHART = files.DEPLOY / "helm" / "semantik"
VALUES = files.load("helm/semantik/values.yaml")
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

# What only one of them shows: claims and buckets, autoscaling, monitors, an ingress.
VARIANTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "with everything": {
        "api": {"autoscaling": {"enabled": True}},
        "workers": {"main": {"autoscaling": {"enabled": True}, "concurrency": 2}},
        "ingress": {"enabled": True, "host": "semantik.example.org", "tlsSecret": "tls", "className": "nginx"},
        "podMonitor": {"enabled": True},
        "networkPolicy": {"enabled": True, "monitoring": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
        "settings": {"SEMANTIK_EXTRACT_MEMORY_BYTES": 2147483648, "SEMANTIK_OCR": False, "SEMANTIK_DATABASE_SLOW_QUERY_S": 0.5},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "serviceAccount": "bucket",
        "image": {"pullSecrets": [{"name": "registry"}]},
    },
    "on a bucket": {"settings": {"SEMANTIK_BLOBS_URL": "s3://documents/semantik?region=eu-1"}},
}

Objects = list[dict[str, Any]]


def _rendered(values: dict[str, Any]) -> Objects:
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed: make deploy-lint")
    texts = helm.Chart.load(str(CHART)).render(values, name="here", namespace="there")
    manifests = [text for name, text in texts.items() if name.endswith(".yaml")]
    return [one for text in manifests for one in yaml.safe_load_all(text) if one]


def _pods(objects: Objects) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in objects if one["kind"] in ("Deployment", "Job")}


def test_what_the_values_set_are_settings_and_no_secrets() -> None:
    settings.load({name: str(value) for name, value in VALUES["settings"].items()}, None)
    refused = set(SCHEMA["properties"]["settings"]["propertyNames"]["not"]["enum"])
    fixed = {"SEMANTIK_DATA_DIR", "SEMANTIK_HOST", "SEMANTIK_PORT", "SEMANTIK_WORKER_METRICS_PORT"}
    assert refused == {row.variable for row in settings.origins({}, None) if row.secret} | fixed


def test_every_queue_has_a_worker() -> None:
    served = {queue for worker in VALUES["workers"].values() for queue in worker["queues"].split(",")}
    assert served == set(QUEUES)


def test_the_schema_knows_every_value() -> None:
    assert set(VALUES) <= set(SCHEMA["properties"])
    assert SCHEMA["additionalProperties"] is False


def test_the_chart_installs_this_version() -> None:
    assert files.load("helm/semantik/Chart.yaml")["appVersion"] == __version__


@pytest.mark.parametrize("variant", VARIANTS)
def test_helm_finds_nothing_wrong(variant: str) -> None:
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed: make deploy-lint")
    assert helm.lint(str(CHART))["errors"] == []
    assert _rendered(VARIANTS[variant])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_manifests_are_those_of_kubernetes(variant: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: make deploy-lint")
    of_others = {"ScaledObject", "TriggerAuthentication", "PodMonitor"}
    for one in _rendered(VARIANTS[variant]):
        if one["kind"] not in of_others:
            kubernetes.validate(one, "1.34", strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_pod_runs_a_command_of_semantik_with_settings_that_make_a_server(variant: str) -> None:
    pods = _pods(_rendered(VARIANTS[variant]))
    assert set(pods) == {f"here-semantik-{part}" for part in ("api", "worker-main", "scheduler", "migrate")}
    secret = {
        "SEMANTIK_DATABASE_URL": "postgresql://semantik@db/semantik",
        "SEMANTIK_REDIS_URL": "redis://redis:6379/0",
        "SEMANTIK_QDRANT_URL": "http://qdrant:6333",
    }
    for name, pod in pods.items():
        [container] = pod["containers"]
        files.is_a_command(container["args"])
        assert container["envFrom"] == [{"secretRef": {"name": VALUES["existingSecret"]}}]
        loaded = settings.load(secret | {row["name"]: row["value"] for row in container["env"]}, None)
        server.check(loaded)
        assert loaded.worker_metrics_port == (9100 if "worker" in name else None)
        if variant == "with everything":
            assert (loaded.extract_memory_bytes, loaded.ocr, loaded.database_slow_query_s) == (2147483648, False, 0.5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_pod_is_nobody_and_writes_two_folders(variant: str) -> None:
    for pod in _pods(_rendered(VARIANTS[variant])).values():
        # With links, a service named semantik-api would put SEMANTIK_API_PORT into every pod: an unknown setting, an error.
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
        assert set(container["resources"]) == {"requests", "limits"}


def test_selectors_meet_their_pods() -> None:
    objects = _rendered(VARIANTS["with everything"])
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in objects if one["kind"] == "Deployment"]
    for one in objects:
        wanted = one["spec"].get("selector") if one["kind"] in ("Deployment", "PodDisruptionBudget", "Service", "PodMonitor") else None
        if wanted is None:
            continue
        wanted = wanted.get("matchLabels", wanted)
        assert len([pod for pod in labels if wanted.items() <= pod.items()]) == 1, one["metadata"]["name"]
    deployed = {one["metadata"]["name"] for one in objects if one["kind"] == "Deployment"}
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in objects if one["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")]
    assert sorted(scaled) == ["here-semantik-api", "here-semantik-worker-main"]
    assert set(scaled) <= deployed


def test_network_policies_let_in_what_each_pod_serves() -> None:
    objects = _rendered(VARIANTS["with everything"])
    templates = [one["spec"]["template"] for one in objects if one["kind"] in ("Deployment", "Job")]
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    for template in templates:
        labels, [container] = template["metadata"]["labels"], template["spec"]["containers"]
        [policy] = [one for one in policies if _selects(one["podSelector"], labels)]
        opened = [port["port"] for rule in policy["ingress"] for port in rule["ports"]]
        assert opened == [port["name"] for port in container.get("ports", [])], labels
    [worker] = [one for one in policies if one["podSelector"]["matchLabels"].get("semantik/metrics") == "worker"]
    assert worker["ingress"][0]["from"] == VARIANTS["with everything"]["networkPolicy"]["monitoring"]


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    others = selector.get("matchExpressions", [])
    return selector["matchLabels"].items() <= labels.items() and all(labels[one["key"]] in one["values"] for one in others)


def test_workers_scale_by_ready_jobs_of_their_queues() -> None:
    objects = _rendered(VARIANTS["with everything"])
    [scaled] = [one for one in objects if one["kind"] == "ScaledObject"]
    [service] = [one for one in objects if one["kind"] == "Service"]
    made = files.declared_metrics()
    queues = []
    for trigger in scaled["spec"]["triggers"]:
        metadata = trigger["metadata"]
        assert metadata["url"] == f"http://{service['metadata']['name']}.there.svc:{service['spec']['ports'][0]['port']}/metrics"
        [(metric, labels)] = files.samples(metadata["valueLocation"])
        assert (metric, labels) == ("semantik_jobs_ready", {"queue"}) and metric in made
        queues.append(metadata["valueLocation"].split('"')[1])
    assert tuple(queues) == QUEUES
    # A replica count beside an autoscaler would undo it with every upgrade.
    counted = [one["metadata"]["name"] for one in objects if one["kind"] == "Deployment" and "replicas" in one["spec"]]
    assert counted == ["here-semantik-scheduler"]


def test_originals_are_in_a_claim_unless_there_is_a_bucket() -> None:
    assert [one["metadata"]["annotations"] for one in _rendered({}) if one["kind"] == "PersistentVolumeClaim"] == [
        {"helm.sh/resource-policy": "keep"}
    ]
    on_a_bucket = _rendered(VARIANTS["on a bucket"])
    assert not [one for one in on_a_bucket if one["kind"] == "PersistentVolumeClaim"]
    assert {"name": "data", "emptyDir": {}} in _pods(on_a_bucket)["here-semantik-api"]["volumes"]
    own = _pods(_rendered({"data": {"existingClaim": "mine"}}))["here-semantik-worker-main"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "mine"}} in own


@pytest.mark.parametrize(
    "values",
    [
        {"settings": {"SEMANTIK_SECRET_KEY": "x" * 40}},
        {"settings": {"OTHER": "x"}},
        {"workers": {"main": {"queues": "cpu,wurst"}}},
        {"api": {"replicas": "two"}},
        {"existingSecret": ""},
        {"wurst": 1},
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any]) -> None:
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed: make deploy-lint")
    with pytest.raises(helm.HelmError):
        _rendered(values)
