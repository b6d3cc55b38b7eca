"""What several queries say of readers, side by side in one row each, without a join.

The queries are stacked and then grouped by reader. Joining them would leave it to the database to guess how large each
is; SQLite guesses "ten rows" of a whole audience and walks through all of it for each reader.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, cast, func, null, select, union_all


def gather(*queries: Select[Any], name: str) -> Subquery:
    """One row for each `subscriber_id` of any query, with every column of all; NULL where a query has no such reader.

    Each query has a column `subscriber_id`, other columns under names of its own, and a reader once.
    """
    known = {column.name: column for query in queries for column in query.selected_columns}
    if len(queries) == 1:
        return queries[0].subquery(name)
    stacked = union_all(*(_all_columns(query, known) for query in queries)).subquery(f"{name}_stacked")
    # A reader has one row of each query, so the greatest value of a column is the only one.
    columns = [func.max(stacked.c[column]).label(column) for column in known if column != "subscriber_id"]
    return select(stacked.c.subscriber_id, *columns).group_by(stacked.c.subscriber_id).subquery(name)


def _all_columns(query: Select[Any], known: dict[str, ColumnElement[Any]]) -> Select[Any]:
    own = {column.name: column for column in query.selected_columns}
    columns = (own[name] if name in own else cast(null(), column.type).label(name) for name, column in known.items())
    return query.with_only_columns(*columns, maintain_column_froms=True)
