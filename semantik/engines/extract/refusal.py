"""How a reader says that a document cannot be read, or not wholly: one exception that carries the outcome's words."""

from __future__ import annotations

from semantik.engines.extract.base import CODES, Verdict

PASSWORD_HINT = "Retry it with its password."  # noqa: S105  # a sentence


class Refused(Exception):
    """Ends the reading of one document. With parts already given the verdict becomes PARTIAL, unless it is SKIPPED."""

    def __init__(self, verdict: Verdict, code: str, reason: str, hint: str | None = None) -> None:
        assert code in CODES, f"{code} is no code of an outcome"
        super().__init__(code)
        self.verdict = verdict
        self.code = code
        self.reason = reason
        self.hint = hint


def skipped(code: str, reason: str, hint: str | None = None) -> Refused:
    return Refused(Verdict.SKIPPED, code, reason, hint)


def failed(code: str, reason: str, hint: str | None = None) -> Refused:
    return Refused(Verdict.FAILED, code, reason, hint)


def partial(code: str, reason: str, hint: str | None = None) -> Refused:
    return Refused(Verdict.PARTIAL, code, reason, hint)


def damaged(what: str, detail: str = "") -> Refused:
    return failed(
        "damaged",
        f"The {what} is damaged and cannot be read" + (f": {detail}." if detail else "."),
        "Open it in the program that made it, save it again and replace the file.",
    )


def locked(what: str, given: str | None) -> Refused:
    if given is None:
        return failed("needs_password", f"The {what} is encrypted and needs a password.", PASSWORD_HINT)
    return failed("wrong_password", f"The password given does not open the {what}.", PASSWORD_HINT)


def size_words(count: float) -> str:
    """Bytes as people read them: 512 B, 24 kB, 1.5 GB."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.1f}".removesuffix(".0") + f" {unit}"
    return f"{int(count)} B"


def plural(count: int, noun: str) -> str:
    """1 page, 2 pages, 1,000 pages."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
