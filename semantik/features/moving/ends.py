"""From where and to where: two sets of settings, and which of the three parts lie elsewhere in the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from semantik.engines.blobs import location
from semantik.kit import settings as settings_module
from semantik.kit.errors import InvalidInput
from semantik.kit.settings import Settings
from semantik.rows.opening import place


class BadTarget(InvalidInput):
    code = "bad_target"
    title = "That is no place to migrate to"
    default_hint = (
        "Name what changes by its address: postgresql or sqlite for the database, http(s) for Qdrant, s3 or file for originals; "
        "or a folder, for everything embedded in it; or a file of settings such as .env.server."
    )


@dataclass(frozen=True, slots=True)
class Ends:
    """What is equal at both ends is shared, and neither copied nor compared."""

    source: Settings
    target: Settings

    @property
    def rows(self) -> bool:
        return place(self.source.sqlalchemy_url) != place(self.target.sqlalchemy_url)

    @property
    def files(self) -> bool:
        return place_of_files(self.source) != place_of_files(self.target)

    @property
    def index(self) -> bool:
        return _index(self.source) != _index(self.target)

    @property
    def folder(self) -> bool:
        """Whether the target has a data folder of its own, with keys and models."""
        return self.source.data_dir.resolve() != self.target.data_dir.resolve()


def ends(source: Settings, to: Sequence[str]) -> Ends:
    """`to`: addresses and folders of what changes, or one file of settings. Raises `BadTarget`."""
    named_file = [part for part in to if Path(part).is_file()]
    if named_file:
        if len(to) > 1:
            raise BadTarget(f"{named_file[0]} names a whole target; nothing else goes beside it")
        target = settings_module.load({}, Path(named_file[0]))
    else:
        changes: dict[str, object] = {}
        for part in to:
            for name, value in _change(part).items():
                if changes.get(name) is not None:
                    raise BadTarget(f"{place_shown(part)} is the second place for the same thing")
                changes[name] = value
        target = Settings(**{**source.model_dump(), **changes})
    found = Ends(source, target)
    if not (found.rows or found.files or found.index):
        raise BadTarget("the target is where everything is already")
    return found


def place_shown(part: str) -> str:
    """An address as it may be repeated: without user and password."""
    parts = urlsplit(part)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else part


def _change(part: str) -> dict[str, object]:
    scheme = urlsplit(part).scheme
    match scheme:
        case "postgres" | "postgresql" | "postgresql+psycopg" | "sqlite":
            return {"database_url": SecretStr("postgresql" + part[len("postgres") :] if scheme == "postgres" else part)}
        case "http" | "https":
            return {"qdrant_url": SecretStr(part)}
        case "s3" | "file":
            location.parse(part)
            return {"blobs_url": part}
        case "" if part and (Path(part).is_absolute() or "/" in part or Path(part).is_dir()):
            embedded: dict[str, object] = dict.fromkeys(("database_url", "qdrant_url", "blobs_url", "redis_url", "broker_url"))
            return {"data_dir": Path(part), **embedded}
        case _:
            raise BadTarget(f"{place_shown(part)!r} is neither an address that we know, nor a folder, nor a file of settings")


def place_of_files(settings: Settings) -> location.FolderPlace | location.BucketPlace:
    found = location.parse(settings.blobs_url) if settings.blobs_url else location.FolderPlace(settings.data_dir / "blobs")
    return location.FolderPlace(found.path.resolve()) if isinstance(found, location.FolderPlace) else found


def _index(settings: Settings) -> str:
    if settings.qdrant_url is None:
        return str((settings.data_dir / "index").resolve())
    return place_shown(settings.qdrant_url.get_secret_value()).rstrip("/")
