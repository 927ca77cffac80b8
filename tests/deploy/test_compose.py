"""deploy/compose.yaml makes a server of Semantik: what it sets are settings, what it starts are commands, no password is in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from semantik.entrypoints import server
from semantik.kit import settings
from tests.deploy import files

COMPOSE = files.load("compose.yaml")
OURS = ["migrate", "api", "worker", "scheduler", "flower"]
THEIRS = ["postgres", "redis", "qdrant", "prometheus", "grafana"]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `make deploy-env` writes."""
    target = tmp_path_factory.mktemp("deploy") / ".env"
    subprocess.run([files.DEPLOY / "make-env", target], check=True, capture_output=True)
    assert target.stat().st_mode & 0o777 == 0o600
    return {name: value or "" for name, value in dotenv_values(target).items()}


def _service(name: str, variables: dict[str, str]) -> dict[str, Any]:
    service: dict[str, Any] = files.filled_in(COMPOSE["services"][name], variables)
    return service


def test_every_process_of_the_issue_has_a_service() -> None:
    assert set(COMPOSE["services"]) == {*OURS, *THEIRS}


@pytest.mark.parametrize("name", OURS)
def test_the_environment_of_each_process_makes_a_server(name: str, secrets: dict[str, str]) -> None:
    environment = _service(name, secrets)["environment"]
    loaded = settings.load(environment, None)
    server.check(loaded)
    assert loaded.secret_key is not None and len(loaded.secret_key.get_secret_value()) >= 32
    if name == "flower":
        assert loaded.flower_password is not None
    assert loaded.worker_metrics_port == (9100 if name == "worker" else None)


@pytest.mark.parametrize("name", OURS)
def test_each_process_runs_a_command_of_semantik(name: str) -> None:
    files.is_a_command(COMPOSE["services"][name]["command"])


@pytest.mark.parametrize("arguments", [["wurst"], ["worker", "--wurst"]])
def test_the_check_for_commands_finds_what_is_none(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such (command|option)"):
        files.is_a_command(arguments)


@pytest.mark.parametrize("name", OURS)
def test_nothing_of_ours_starts_without_secrets(name: str) -> None:
    with pytest.raises(files.VariableMissing):
        _service(name, {})


def test_no_password_has_a_default() -> None:
    text = (files.DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    secret = re.compile(r"(?:PASSWORD|_KEY|_TOKEN)$")
    read = files.named_variables(text)
    assert {name for name, how in read.items() if secret.search(name) and how != {":?"}} == set()
    for name, service in COMPOSE["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if secret.search(variable) or variable.endswith("AUTH"):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]*\}", value), f"{name} names a value for {variable}"


def test_what_compose_reads_is_what_the_example_names() -> None:
    example = dotenv_values(files.DEPLOY / "env.example")
    read = files.named_variables((files.DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert set(read) | {"COMPOSE_PROFILES"} == set(example)
    for name in example:
        if name.startswith(settings.PREFIX):
            settings.load({name: "x" * 40}, None)
    assert not [name for name, value in example.items() if value and re.search(r"(?:PASSWORD|_KEY|_TOKEN)$", name)]


def test_two_sites_never_share_a_secret(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        subprocess.run([files.DEPLOY / "make-env", tmp_path / name], check=True, capture_output=True)
        values = dotenv_values(tmp_path / name)
        written.append({key: value for key, value in values.items() if re.search(r"(?:PASSWORD|_KEY|_TOKEN)$", key)})
    every = [value for site in written for value in site.values()]
    assert len(set(every)) == len(every) == 14
    assert all(value is not None and re.fullmatch(r"[0-9a-f]{64}", value) for value in every)


def test_an_environment_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=kept\n", encoding="utf-8")
    again = subprocess.run([files.DEPLOY / "make-env", tmp_path / ".env"], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "left alone" in again.stderr
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "POSTGRES_PASSWORD=kept\n"
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_a_process_waits_for_the_schema_and_what_it_talks_to() -> None:
    for name in ("api", "worker", "scheduler"):
        waits = {part: how["condition"] for part, how in COMPOSE["services"][name]["depends_on"].items()}
        assert waits == {"migrate": "service_completed_successfully", "redis": "service_healthy", "qdrant": "service_healthy"}
    assert COMPOSE["services"]["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", [*OURS, *THEIRS])
def test_each_service_is_limited_logged_and_looked_after(name: str) -> None:
    service = COMPOSE["services"][name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"]
    assert service["logging"]["options"]["max-size"]
    # A command that ends and one that listens nowhere have no health to ask for; the API's check is in the image.
    if name in ("migrate", "scheduler"):
        assert service["healthcheck"] == {"disable": True}
    elif name != "api":
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", OURS)
def test_our_processes_write_their_volumes_only(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert {"type": "volume", "target": "/tmp"} in service["volumes"]
    assert ("data:/data" in service["volumes"]) is (name in ("api", "worker"))


def test_the_stores_cannot_be_reached_from_outside_and_the_rest_from_this_host_only(secrets: dict[str, str]) -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in (*OURS, *THEIRS):
        service = _service(name, secrets)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        if name in ("postgres", "redis", "qdrant"):
            assert service["networks"] == ["inside"]
            assert "ports" not in service


def test_what_must_survive_lies_in_a_volume() -> None:
    used = {
        volume.partition(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
        if isinstance(volume, str) and not volume.startswith(".")
    }
    assert used == set(COMPOSE["volumes"])
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                assert (files.DEPLOY / volume.partition(":")[0]).exists()


def test_redis_logs_what_it_is_told_and_never_throws_a_doorbell_away(secrets: dict[str, str]) -> None:
    lines = files.filled_in(COMPOSE["configs"]["redis"]["content"], secrets).splitlines()
    configuration = dict(line.split(" ", 1) for line in lines if not line.startswith("#"))
    assert configuration["requirepass"] == secrets["REDIS_PASSWORD"]
    assert configuration["appendonly"] == "yes"
    assert configuration["maxmemory-policy"] == "noeviction"
    assert (configuration["maxmemory"], COMPOSE["services"]["redis"]["deploy"]["resources"]["limits"]["memory"]) == ("512mb", "1g")


def test_the_compose_file_fits_its_schema() -> None:
    linter = files.tool("check-jsonschema")
    if linter is None:
        pytest.skip("check-jsonschema is not installed: make deploy-lint")
    command = [linter, "--builtin-schema", "vendor.compose-spec", str(files.DEPLOY / "compose.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
