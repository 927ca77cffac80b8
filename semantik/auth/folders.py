"""Which folders of this machine may be read at all."""

from __future__ import annotations

import os
from pathlib import Path

from semantik.kit.errors import Forbidden, InvalidInput
from semantik.kit.settings import Settings


class PathNotAllowed(Forbidden):
    code = "path_not_allowed"
    title = "This folder may not be read"
    default_hint = "Choose a folder below SEMANTIK_SOURCE_ROOTS."


class PathUnusable(InvalidInput):
    code = "path_unusable"
    title = "This folder cannot be used"
    default_hint = "Name a folder by its whole path, on the machine that runs Semantik."


def allowed_path(given: str, settings: Settings, *, owner: bool) -> Path:
    """The real path of a folder that may be read. `owner`: the person who runs the process, who needs no permission of ours.

    Without `SEMANTIK_SOURCE_ROOTS` any folder is allowed while the server listens on loopback only, none otherwise.
    """
    if not os.path.isabs(given):
        raise PathUnusable(f"the folder {given!r} is not an absolute path", hint="Write the whole path, from / on.")
    path = Path(os.path.realpath(given))
    if not path.is_dir():
        raise PathUnusable(f"the folder {path} is not there, or is no folder", hint="Check the path on the machine that runs Semantik.")
    if not os.access(path, os.R_OK | os.X_OK):
        raise PathUnusable(f"the folder {path} cannot be read by the user that runs Semantik", hint="Change its permissions.")
    data_dir = settings.data_dir.resolve()
    if path == data_dir or data_dir in path.parents:
        raise PathNotAllowed(f"{path} lies in Semantik's own data folder", hint="Choose another folder.")
    roots = settings.source_roots
    if owner or (roots is None and settings.loopback_only):
        return path
    if not any(path == root or root in path.parents for root in roots or ()):
        allowed = ", ".join(str(root) for root in roots or ()) or "none"
        raise PathNotAllowed(
            f"{path} lies outside the folders that sources may be in: {allowed}",
            hint="Add it to SEMANTIK_SOURCE_ROOTS and restart the server.",
        )
    return path
