"""Rows there and back: random ones of every table through both databases, and what cannot be carried."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantik.rows import files
from semantik.rows.opening import reading, writing
from semantik.rows.order import LEFT_OUT, moved, parent_of
from semantik.rows.pages import Row, count, pages
from semantik.rows.sums import Sum, Tally, of_table
from semantik.rows.writing import RowUnfit, reset_sequences, write
from semantik.tables.accounts import tenants
from semantik.tables.base import metadata
from semantik.tables.collections import collections
from semantik.tables.documents import documents
from semantik.tables.sources import sources

AT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)

# What every column of its type must survive. NUL is what PostgreSQL cannot hold; a half surrogate is no text.
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
times = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)) | st.datetimes(
    min_value=datetime(1900, 1, 1), timezones=st.sampled_from([timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=9))])
)
floats = st.floats(allow_nan=False, allow_infinity=False)
inside = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# A number that is all there is in a column is SQLite's to keep (decision 0015): an integer of 64 bits, and a float without a fraction
# becomes the integer that it is, whose digits are more than those it was written with.
alone_in_column = st.integers(-(2**63), 2**63 - 1) | floats.filter(lambda value: not 2**53 <= abs(value) < 2**63)
jsons = st.booleans() | alone_in_column | texts | st.lists(inside, max_size=3) | st.dictionaries(texts, inside, max_size=3)


def of_type(column: sa.Column[Any]) -> st.SearchStrategy[Any]:
    match column.type:
        case sa.JSON():
            return jsons
        case sa.LargeBinary():
            return st.binary(max_size=40)
        case sa.Float():
            return st.floats(allow_nan=False)
        case sa.Boolean():
            return st.booleans()
        case sa.SmallInteger():
            return st.integers(-(2**15), 2**15 - 1)
        case sa.BigInteger():
            return st.integers(-(2**63), 2**63 - 1)
        case sa.Integer():
            return st.integers(-(2**31), 2**31 - 1)
        case sa.String():
            length = column.type.length or 40
            return texts.map(lambda text: text[:length])
        case _:
            return times


def alone(table: sa.Table) -> set[str]:
    """Columns in which no two rows may be equal, here: all that some unique rule names."""
    unique = [index.columns for index in table.indexes if index.unique]
    unique += [rule.columns for rule in table.constraints if isinstance(rule, sa.UniqueConstraint)]
    return {column.name for columns in [*unique, table.primary_key.columns] for column in columns if not column.foreign_keys}


def numbered(column: sa.Column[Any], number: int, value: Any) -> Any:
    """The value, made one of its own by the number of its row."""
    match value:
        case str():
            assert isinstance(column.type, sa.String)
            return f"{number}{value}"[: column.type.length]
        case bool() | int():
            return number
        case _:
            return AT + timedelta(microseconds=number)


@st.composite
def installations(draw: st.DrawFn) -> dict[str, list[Row]]:
    """Up to three rows in every table, referring to each other as they must."""
    made: dict[str, list[dict[str, Any]]] = {}
    for table in moved():
        checked = {
            found[1]: re.findall(r"'(\w+)'", str(rule.sqltext))
            for rule in table.constraints
            if isinstance(rule, sa.CheckConstraint) and (found := re.match(r"(\w+) IN \(", str(rule.sqltext)))
        }
        rows: list[dict[str, Any]] = []
        for number in range(draw(st.integers(0, 3))):
            row: dict[str, Any] = {}
            for column in table.columns:
                if column.foreign_keys:
                    (key,) = column.foreign_keys
                    there = rows if key.column.table is table else made[key.column.table.name]
                    choices = [other[key.column.name] for other in there] + ([None] if column.nullable else [])
                    if not choices:
                        break
                    row[column.name] = draw(st.sampled_from(choices))
                elif column.name in checked:
                    row[column.name] = draw(st.sampled_from(checked[column.name]))
                else:
                    value = draw(of_type(column) | st.none() if column.nullable else of_type(column))
                    row[column.name] = numbered(column, number, value) if column.name in alone(table) and value is not None else value
            else:
                if table.name == "jobs":
                    row |= {"status": "queued", "lease_owner": None, "lease_expires_at": None, "finished_at": None}
                key_of = [tuple(other[part.name] for part in table.primary_key.columns) for other in [*rows, row]]
                if len(set(key_of)) == len(key_of):
                    rows.append(row)
        made[table.name] = rows
    return {table.name: [tuple(row[column.name] for column in table.columns) for row in made[table.name]] for table in moved()}


@pytest.fixture
def empty_sqlite(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue("_sqlite_template")
    return path


@pytest.fixture
def three(empty_sqlite: Path, tmp_path: Path, postgresql_url: str) -> list[str]:
    """URLs of databases to go from, to and back to: SQLite, PostgreSQL, SQLite."""
    found = []
    for name in ("from.db", "back.db"):
        (tmp_path / name).write_bytes(empty_sqlite.read_bytes())
        found.append(f"sqlite:///{tmp_path / name}")
    return [found[0], postgresql_url, found[1]]


def emptied(connection: sa.Connection) -> None:
    with connection.begin():
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())


def carried(source: sa.Connection, target: sa.Connection, *, size: int) -> None:
    with source.begin():
        for table in moved():
            for page in pages(source, table, size=size):
                with target.begin():
                    write(target, table, page.rows)


def sums(connection: sa.Connection) -> dict[str, Sum]:
    with connection.begin():
        return {table.name: of_table(connection, table) for table in moved()}


def test_random_rows_of_every_table_are_equal_there_and_back(three: list[str]) -> None:
    with ExitStack() as stack:
        first, there, back = (stack.enter_context(writing(url)) for url in three)

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
        @given(installation=installations(), size=st.integers(1, 3))
        def check(installation: dict[str, list[Row]], size: int) -> None:
            for connection in (first, there, back):
                emptied(connection)
            with first.begin():
                for table in moved():
                    write(first, table, installation[table.name])
            carried(first, there, size=size)
            carried(there, back, size=size)
            before = sums(first)
            assert sums(there) == before
            assert sums(back) == before
            assert {name: len(rows) for name, rows in installation.items()} == {name: one.rows for name, one in before.items()}
            with back.begin():
                for table in moved():
                    rows = [row for page in pages(back, table) for row in page.rows]
                    assert sorted(map(by_value, rows), key=repr) == sorted(map(by_value, installation[table.name]), key=repr)

        check()


def by_value(row: Row) -> Row:
    """JSON numbers by value, times in one zone: what Python's own equality says, made sortable."""

    def plain(value: Any) -> Any:
        match value:
            case bool():
                return value
            case datetime():
                return value.astimezone(UTC)
            case dict():
                return sorted((key, plain(part)) for key, part in value.items())
            case list():
                return [plain(part) for part in value]
            case float() if value.is_integer():
                # 1e22 as a number of JSON is ten to the 22nd, which is what comes back.
                mantissa, _, exponent = f"{value!r}".partition("e")
                return int(mantissa.partition(".")[0]) if not exponent else shifted(mantissa, int(exponent))
            case _:
                return value

    return tuple(plain(value) for value in row)


def shifted(mantissa: str, exponent: int) -> int:
    whole, _, part = mantissa.partition(".")
    return int((whole + part).ljust(len(whole) + exponent, "0"))


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_every_table_of_the_database_goes_along_or_stays_for_a_reason(database_url: str) -> None:
    with reading(database_url) as connection:
        there = set(sa.inspect(connection).get_table_names())
    there = {name for name in there if name != "alembic_version" and not re.fullmatch(r"chunks_\d\d", name)}
    names = [table.name for table in moved()]
    assert there == {*names, *LEFT_OUT}
    assert not set(names) & set(LEFT_OUT)
    for table in moved():
        earlier = names[: names.index(table.name)]
        referred = {key.column.table.name for key in table.foreign_keys} - {table.name}
        assert referred <= set(earlier), f"{table.name} would come before what it refers to"


def test_a_container_comes_before_what_is_in_it_whatever_the_keys(database_url: str) -> None:
    """Three levels of documents, the deepest with the lowest id; read two at a time and interrupted after each page."""
    with writing(database_url) as connection:
        with connection.begin():
            write(connection, tenants, [row_of(tenants, id="t")])
            write(connection, collections, [row_of(collections, id="c", tenant_id="t")])
            write(connection, sources, [row_of(sources, id="s", tenant_id="t", collection_id="c")])
            parents = {"9": None, "8": None, "7": "9", "6": "8", "5": "7", "4": "7", "3": "5", "2": "4", "1": "4"}
            ids = list(parents)
            for id in ids:
                write(
                    connection,
                    documents,
                    [row_of(documents, id=id, parent_id=parents[id], tenant_id="t", collection_id="c", source_id="s")],
                )
        seen: list[str] = []
        after = None
        with connection.begin():
            while (page := next(pages(connection, documents, after=after, size=2), None)) is not None:
                seen += [row[0] for row in page.rows]
                after = page.after
    assert sorted(seen) == sorted(ids)
    assert all(parents[id] is None or seen.index(str(parents[id])) < seen.index(id) for id in seen)
    assert parent_of(documents) is not None and parent_of(tenants) is None


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_every_stored_file_is_named_once_and_from_any_place_on(database_url: str) -> None:
    """Read two at a time. Equal files of two tenants are two; an original that is its own text, or of two documents, is one."""
    hashes = {"1": ("9a", "b0"), "2": ("9a", None), "3": ("c4", "c4"), "4": (None, "0f"), "5": ("a1", "b0"), "6": (None, None)}
    with writing(database_url) as connection, connection.begin():
        for tenant in ("t-1", "t-2"):
            write(connection, tenants, [row_of(tenants, id=tenant)])
            own = {"tenant_id": tenant, "collection_id": f"c-{tenant}"}
            write(connection, collections, [row_of(collections, id=f"c-{tenant}", tenant_id=tenant)])
            write(connection, sources, [row_of(sources, id=f"s-{tenant}", **own)])
            for id, (content, text) in hashes.items():
                named = {"content_hash": content, "text_hash": text}
                write(connection, documents, [row_of(documents, id=f"{tenant}-{id}", source_id=f"s-{tenant}", **own, **named)])
        found = list(files.named(connection, size=2))
        assert found == [(tenant, name) for name in ("0f", "9a", "a1", "b0", "c4") for tenant in ("t-1", "t-2")]
        for place, pair in enumerate(found, 1):
            assert list(files.named(connection, after=pair, size=2)) == found[place:]
        of_one = files.named(connection, where=documents.c.tenant_id == "t-2", size=2)
        assert list(of_one) == [pair for pair in found if pair[0] == "t-2"]
        assert files.expected(connection).files == len(found)


def row_of(table: sa.Table, **values: Any) -> Row:
    """A row with the given values and something plausible in every other column that needs one."""
    found = []
    for column in table.columns:
        if column.name in values:
            found.append(values[column.name])
        elif column.nullable:
            found.append(None)
        else:
            plain = {sa.JSON: {}, sa.Integer: 1, sa.BigInteger: 1, sa.Float: 1.0, sa.Boolean: False, sa.LargeBinary: b"1"}
            kind = next((kind for kind in plain if isinstance(column.type, kind)), None)
            text = f"{values.get('id')}-{column.name}"[: getattr(column.type, "length", None)]
            found.append(plain[kind] if kind else text if isinstance(column.type, sa.String) else AT)
    state = {"documents": "indexed"}.get(table.name)
    return tuple(state if column.name == "state" else value for column, value in zip(table.columns, found, strict=True))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("name", "says"),
    [("half\x00a word", "NUL"), ("x" * 201, "too long")],
    ids=["nul", "long"],
)
def test_what_the_target_cannot_hold_is_named_and_not_quoted(database_url: str, name: str, says: str) -> None:
    with writing(database_url) as connection:
        with pytest.raises(RowUnfit, match="tenants") as raised, connection.begin():
            write(connection, tenants, [row_of(tenants, id="good"), row_of(tenants, id="bad", name=name)])
        assert says in raised.value.detail and "half" not in raised.value.detail and "xxx" not in raised.value.detail
        with connection.begin():
            assert count(connection, tenants) == 0, "nothing of the batch stays"


def test_a_reference_to_nothing_is_refused(database_url: str) -> None:
    with writing(database_url) as connection, pytest.raises(RowUnfit, match="collections"), connection.begin():
        write(connection, collections, [row_of(collections, id="c", tenant_id="nobody")])


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_source_cannot_be_written(database_url: str) -> None:
    with reading(database_url, still=True) as connection, pytest.raises(Exception, match=r"read-?only"), connection.begin():
        connection.execute(tenants.insert().values(id="t", name="t", created_at=AT))


def test_reading_a_still_source_leaves_its_folder_as_it_was(empty_sqlite: Path, tmp_path: Path) -> None:
    path = tmp_path / "one" / "semantik.db"
    path.parent.mkdir()
    path.write_bytes(empty_sqlite.read_bytes())
    with reading(f"sqlite:///{path}", still=True) as connection, connection.begin():
        assert count(connection, tenants) == 0
        assert [file.name for file in path.parent.iterdir()] == ["semantik.db"]
    assert path.read_bytes() == empty_sqlite.read_bytes()


def test_rows_that_only_the_log_of_a_killed_process_holds_are_read(empty_sqlite: Path, tmp_path: Path) -> None:
    live, killed = tmp_path / "live.db", tmp_path / "killed.db"
    live.write_bytes(empty_sqlite.read_bytes())
    with writing(f"sqlite:///{live}") as connection:
        with connection.begin():
            write(connection, tenants, [row_of(tenants, id="late")])
        # What a kill leaves: the file and its log, never folded in.
        killed.write_bytes(live.read_bytes())
        (tmp_path / "killed.db-wal").write_bytes((tmp_path / "live.db-wal").read_bytes())
    with reading(f"sqlite:///{killed}", still=True) as connection, connection.begin():
        assert [row[0] for page in pages(connection, tenants) for row in page.rows] == ["late"]


def test_one_changed_letter_changes_the_sum_and_the_order_does_not() -> None:
    rows = [row_of(tenants, id=id) for id in "abc"]
    other = [row_of(tenants, id=id) for id in "abd"]
    tallies = [Tally(tenants) for _ in range(4)]
    for tally, given_rows in zip(tallies, (rows, rows[::-1], other, [*rows, rows[0]]), strict=True):
        tally.add(given_rows)
    assert tallies[0].sum == tallies[1].sum
    assert len({tally.sum.digest for tally in tallies}) == 3


def test_a_counter_goes_on_behind_the_rows_that_came(database_url: str) -> None:
    """No table of ours has one today; the first that does must not meet its own numbers."""
    counted = sa.Table("counted", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True), sa.Column("said", sa.String(10)))
    with writing(database_url) as connection:
        with connection.begin():
            counted.create(connection)
            write(connection, counted, [(7, "seven"), (41, "forty-one")])
            reset_sequences(connection, [counted])
            connection.execute(counted.insert().values(said="next"))
            assert connection.scalar(sa.select(counted.c.number).where(counted.c.said == "next")) == 42
            counted.drop(connection)
