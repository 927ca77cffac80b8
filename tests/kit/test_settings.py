"""Settings: environment over .env over defaults, secrets from files, strays named with the nearest setting."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from semantik.kit import redis_place, settings
from semantik.kit.errors import Misconfigured

SECRET = "a secret of more than 32 characters, really"


def test_environment_wins_over_dotenv_and_dotenv_over_defaults(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("SEMANTIK_PORT=1000\nSEMANTIK_HOST=10.0.0.1\nOTHER=1\n")
    loaded = settings.load({"SEMANTIK_PORT": "2000", "PATH": "/bin"}, env_file)
    assert (loaded.port, loaded.host, loaded.log_level) == (2000, "10.0.0.1", "info")
    assert settings.load({"SEMANTIK_PORT": "2000"}, env_file, port=3000, host=None).port == 3000


def test_a_stray_variable_names_the_nearest_setting() -> None:
    with pytest.raises(settings.UnknownSetting) as caught:
        settings.load({"SEMANTIK_DATADIR": "/x"}, None)
    assert "SEMANTIK_DATA_DIR" in str(caught.value.hint)
    settings.load({"SEMANTIK_TEST_SHARED": "anything"}, None)


def test_a_stray_variable_that_is_like_no_setting_is_given_no_guess() -> None:
    with pytest.raises(settings.UnknownSetting) as caught:
        settings.load({"SEMANTIK_FOO": "1"}, None)
    assert "Did you mean" not in str(caught.value.hint) and "config show" in str(caught.value.hint)


def test_a_stray_variable_in_dotenv_is_an_error_too(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("SEMANTIK_PROT=1\n")
    with pytest.raises(settings.UnknownSetting, match="SEMANTIK_PROT"):
        settings.load({}, env_file)


def test_a_value_that_does_not_fit_is_named_with_its_variable() -> None:
    with pytest.raises(Misconfigured, match=r"SEMANTIK_PORT is set to 'many'"):
        settings.load({"SEMANTIK_PORT": "many"}, None)
    with pytest.raises(Misconfigured, match="SEMANTIK_PORT"):
        settings.load({"SEMANTIK_PORT": "70000"}, None)


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"  {SECRET}\n")
    environ = {"SEMANTIK_SECRET_KEY_FILE": str(file), "SEMANTIK_METRICS_TOKEN": SECRET}
    loaded = settings.load(environ, None)
    assert loaded.secret_key is not None
    assert loaded.secret_key.get_secret_value() == SECRET
    assert SECRET not in repr(loaded)
    shown = {row.name: row for row in settings.origins(environ, None)}
    assert SECRET not in repr(shown)
    assert shown["secret_key"].origin == "file (environment)"
    assert shown["metrics_token"].value == "(set, hidden)"
    assert shown["port"].origin == "default"
    assert [row.name for row in settings.origins(environ, None)] == list(settings.Settings.model_fields)


def test_a_secret_file_that_cannot_be_read_says_which(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="SEMANTIK_SECRET_KEY_FILE"):
        settings.load({"SEMANTIK_SECRET_KEY_FILE": str(tmp_path / "none")}, None)
    with pytest.raises(settings.UnknownSetting):
        settings.load({"SEMANTIK_PORT_FILE": "x"}, None)


def test_a_wrong_secret_is_not_quoted() -> None:
    with pytest.raises(Misconfigured) as caught:
        settings.load({"SEMANTIK_SECRET_KEY": SECRET, "SEMANTIK_PORT": "x"}, None)
    assert SECRET not in str(caught.value)


def test_lists_are_comma_separated() -> None:
    loaded = settings.load({"SEMANTIK_CORS_ORIGINS": "https://a.example, https://b.example,", "SEMANTIK_SOURCE_ROOTS": "/a,/b"}, None)
    assert loaded.cors_origins == ["https://a.example", "https://b.example"]
    assert loaded.source_roots == [Path("/a"), Path("/b")]


@pytest.mark.parametrize(("host", "only"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box", False)])
def test_loopback_is_told_from_the_network(host: str, only: bool) -> None:
    assert settings.load({"SEMANTIK_HOST": host}, None).loopback_only is only


def test_every_setting_says_what_it_is() -> None:
    assert all(row.description.endswith(".") for row in settings.origins({}, None))


@pytest.mark.parametrize(
    ("redis", "named", "broker"),
    [
        ("redis://10.0.0.5", None, "redis://10.0.0.5/1"),
        ("rediss://:secret@cache:6380/3?ssl_cert_reqs=none", None, "rediss://:secret@cache:6380/4?ssl_cert_reqs=none"),
        ("redis://10.0.0.5/0", "redis://other/0", "redis://other/0"),
        ("redis+sentinel://:pw@one,two:26380/jobs/2", None, "redis+sentinel://:pw@one,two:26380/jobs/3"),
        ("rediss+sentinel://one", None, "rediss+sentinel://one/mymaster/1"),
    ],
)
def test_doorbells_have_a_redis_database_of_their_own(redis: str, named: str | None, broker: str) -> None:
    environ = {"SEMANTIK_REDIS_URL": redis, "SEMANTIK_DATABASE_URL": "postgresql://db/semantik"} | (
        {"SEMANTIK_BROKER_URL": named} if named else {}
    )
    chosen = settings.load(environ, None)
    assert chosen.server_mode
    assert chosen.broker == broker


def test_a_broker_that_cannot_be_told_is_asked_for() -> None:
    chosen = settings.load({"SEMANTIK_REDIS_URL": "unix:///run/redis.sock"}, None)
    assert not chosen.server_mode, "on SQLite everything stays in one process"
    with pytest.raises(Misconfigured, match="no Redis for doorbells") as refused:
        _ = chosen.broker
    assert "SEMANTIK_BROKER_URL" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://cache", "not by http"),
        ("redis://cache/jobs", "the database of a Redis is a number"),
        ("redis://one,two", "several hosts are sentinels"),
        ("redis://cache:port", "the port of a Redis is a number"),
        ("rediss://cache?ssl_ca=/ca.pem", "no option ssl_ca"),
    ],
)
def test_an_address_of_redis_that_cannot_be_understood_is_refused_at_the_start(url: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as refused:
        settings.load({"SEMANTIK_REDIS_URL": url}, None)
    assert "SEMANTIK_REDIS_URL" in refused.value.detail and "cache" not in refused.value.detail


def test_a_redis_is_told_to_its_clients_in_their_words() -> None:
    assert redis_place.for_kombu("redis://u:p%40w@cache:6390/4") == ("redis://u:p%40w@cache:6390/4", {}, None)
    address, options, tls = redis_place.for_kombu("rediss+sentinel://:pw@one,two:7/jobs/2?ssl_ca_certs=/ca.pem&sentinel_password=s")
    assert address == "sentinel://:pw@one:26379/2;sentinel://:pw@two:7/2"
    assert tls == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, "ssl_ca_certs": "/ca.pem"}
    assert options["master_name"] == "jobs"
    assert {"password": "s", "ssl": True, **tls}.items() <= options["sentinel_kwargs"].items()
    assert redis_place.parse("redis://u:p%40w@cache").password == "p@w"
