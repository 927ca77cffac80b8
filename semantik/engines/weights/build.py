"""The child process that builds a graph: `python -m semantik.engines.weights.build NAME MODELS_DIR VARIANT FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from semantik.engines.weights import bert_graph, store


def main(name: str, models_dir: str, variant: str, folder: str) -> int:
    """0 when both files are written and flushed."""
    assert bert_graph.VERSION == store.BUILDER_VERSION, "raise both versions together"
    weights = store.open_weights(name, Path(models_dir))
    if weights is None:
        print(f"{name} is not installed", file=sys.stderr)  # noqa: T201
        return 1
    bert_graph.build(weights, "fp32" if variant == "fp32" else "int8", Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
