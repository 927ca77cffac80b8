"""The diff of a sync: every item and every known document ends in exactly one place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from semantik.engines.connectors.base import Item
from semantik.features.ingestion.plan import Known, could_have_moved, held_back, settle, sort_out
from semantik.features.ingestion.values import Plan


def _plan(before: dict[str, str], after: dict[str, str], touched: frozenset[str] = frozenset()) -> Plan:
    """Plans from two states of a folder, path to content; `touched` files have a new time and the old content."""
    known = {
        path: Known(id=path, path=path, signature=text, content_hash=f"#{text}", size_bytes=len(text)) for path, text in before.items()
    }
    items = [
        Item(path=path, name=path, size_bytes=len(text), signature=text + ("'" if path in touched else ""))
        for path, text in sorted(after.items())
    ]
    split = sort_out(items, known)
    vanished = [known[path] for path in before.keys() - after.keys()]
    to_hash = could_have_moved(split.new, vanished) + [item for item, _ in split.touched]
    hashes = {item.path: f"#{after[item.path]}" for item in to_hash}
    return settle(new=split.new, touched=split.touched, same=len(split.same), vanished=vanished, hashes=hashes)


def test_added_modified_moved_deleted_and_unchanged_are_told_apart() -> None:
    plan = _plan(
        {"same": "a", "changes": "b", "moves": "c", "goes": "d", "touched": "e"},
        {"same": "a", "changes": "bb", "moved": "c", "new": "f", "touched": "e"},
        frozenset({"touched"}),
    )

    assert plan == Plan(added=["new"], modified=["changes"], moved=[("moves", "moved")], deleted=["goes"], unchanged=2)


def test_two_vanished_twins_move_once_each() -> None:
    plan = _plan({"a": "x", "b": "x"}, {"c": "x"})

    assert plan.moved == [("a", "c")]
    assert plan.deleted == ["b"]


def test_a_problem_that_stays_is_not_work_again() -> None:
    known = {"link": Known(id="1", path="link", signature=None, content_hash=None, size_bytes=None, has_problem=True)}
    split = sort_out([Item(path="link", name="link", problem=("unsafe_member", "leads out"))], known)

    plan = settle(new=split.new, touched=split.touched, same=0, vanished=[], hashes={})

    assert plan == Plan(unchanged=1)


def test_what_comes_back_with_the_same_bytes_is_read() -> None:
    known = {"link": Known(id="1", path="link", signature=None, content_hash="x", size_bytes=1, has_problem=True)}
    split = sort_out([Item(path="link", name="link", size_bytes=1, signature="s")], known)

    plan = settle(new=split.new, touched=split.touched, same=0, vanished=[], hashes={"link": "x"})

    assert plan == Plan(modified=["link"])


_states = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", "zz", "ww"]), max_size=8)


@given(_states, _states, st.frozensets(st.sampled_from("abcdefgh")))
def test_carrying_out_the_plan_gives_the_listing(before: dict[str, str], after: dict[str, str], touched: frozenset[str]) -> None:
    plan = _plan(before, after, touched)

    result = dict(before)
    for old, new in plan.moved:
        assert result[old] == after[new], "a move keeps the content"
        result[new] = result.pop(old)
    for path in plan.added + plan.modified:
        result[path] = after[path]
    for path in plan.deleted:
        del result[path]
    assert result == after
    assert len(plan.added) + len(plan.modified) + len(plan.moved) + plan.unchanged == len(after)


@given(known=st.integers(1, 10_000), deleted=st.integers(0, 10_000), most=st.none() | st.integers(0, 10_000), waiting=st.booleans())
def test_deletions_are_held_back_all_or_none(known: int, deleted: int, most: int | None, waiting: bool) -> None:
    deleted = min(deleted, known)
    held = held_back(deleted, known, waiting=waiting, most=most)

    assert held in (0, deleted)
    if most is not None:
        assert (held == 0) is (deleted <= most or deleted == 0)
    elif waiting or deleted == known:
        assert held == deleted, "a source that lists nothing of what is known may be unmounted"
    else:
        assert (held > 0) is (deleted > 20 and 2 * deleted > known)
