"""Ways to cut text: backend names."""

BACKENDS = {
    "recursive": "semantik.engines.chunking.recursive:Recursive",
    "markdown": "semantik.engines.chunking.markdown:Markdown",
    "tokens": "semantik.engines.chunking.tokens:Tokens",
    "sentences": "semantik.engines.chunking.sentences:Sentences",
}
