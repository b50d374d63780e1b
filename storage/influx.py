"""InfluxDB in the one dialect that every line of it serves: line protocol on /write, InfluxQL on /query.

1.x speaks it natively, 2.x and 3.x through their v1 compatibility (a bucket named ``db/rp``). The connection is
the official client's; only its generic call is used, because its own write API serialises points one by one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from storage import names

#: 404 is not among them: it means a missing database or bucket, which somebody can still make.
_REJECTED = frozenset({400, 413, 422})


#: Retention policies, and how 1.x is told of them.
_POLICIES = {
    names.RETENTION_RAW: f"DURATION {names.RETENTION_RAW_DAYS}d REPLICATION 1 SHARD DURATION 7d DEFAULT",
    names.RETENTION_KEPT: "DURATION INF REPLICATION 1 SHARD DURATION 52w",
}


class InfluxUnavailable(Exception):
    """InfluxDB can't be reached or can't take writes now: keep what you have and come again."""


class LinesRejected(Exception):
    """InfluxDB says that at least one of the lines will never be taken; the text is its reason."""


class Influx:
    """One connection to one InfluxDB database.

    ``token`` may also be ``name:password``: a user of 1.x, or of 2.x made by ``influx v1 auth create``, which can be
    allowed to do less than 2.x's own tokens of an operator.
    """

    def __init__(self, url: str, database: str, token: str | None = None, timeout_ms: int = 5_000) -> None:
        self.url = url
        self.database = database
        self._client = InfluxDBClient(url=url, token="", org="", timeout=timeout_ms, retries=False)
        # Ours alone: the client would send one of its own, as a token, over it.
        self._headers = {"Authorization": _authorization(token)} if token else {}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def ensure(self) -> None:
        """Make the database and its retention policies where they are missing (1.x; 2.x makes buckets at set-up).

        Raises :class:`InfluxUnavailable`.
        """
        if not self._accepted(f'CREATE DATABASE "{self.database}"'):
            # 2.x: buckets are made at set-up, and this statement is not offered. Writing tells whether they are there.
            return
        for policy, terms in _POLICIES.items():
            # One that exists with another duration is the operator's choice.
            self._accepted(f'CREATE RETENTION POLICY "{policy}" ON "{self.database}" {terms}')

    def write(self, lines: bytes, policy: str = names.RETENTION_RAW, precision: str = "ms") -> None:
        """Write line protocol with times in ``precision``; writing the same lines again changes nothing.

        Raises :class:`InfluxUnavailable` or :class:`LinesRejected`.
        """
        query = [("db", self.database), ("rp", policy), ("precision", precision)]
        headers = {**self._headers, "Content-Type": "text/plain; charset=utf-8"}
        self._call("/write", query, headers, lines.decode())

    def query(self, text: str, policy: str = names.RETENTION_RAW, epoch: str = "ms") -> list[dict[str, Any]]:
        """Run InfluxQL and return its series (``name``, ``tags``, ``columns``, ``values``); times in ``epoch``.

        Raises :class:`InfluxUnavailable` or :class:`LinesRejected`.
        """
        query = [("db", self.database), ("rp", policy), ("epoch", epoch), ("q", text)]
        answer = json.loads(self._call("/query", query, self._headers, None))
        result = answer["results"][0]
        if "error" in result:
            raise LinesRejected(result["error"])
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def select(self, text: str, policy: str = names.RETENTION_RAW) -> list[dict[str, Any]]:
        """Run InfluxQL as :meth:`query` does; nothing is found in a database that is not there yet.

        The first start: ingest makes the database (1.x) with the first reading. Raises as :meth:`query` does.
        """
        try:
            return self.query(text, policy)
        except LinesRejected as error:
            if "not found" in str(error):
                return []
            raise

    def _accepted(self, statement: str) -> bool:
        try:
            answer = json.loads(self._call("/query", [("q", statement)], self._headers, None, method="POST"))
        except LinesRejected:
            return False
        return "error" not in answer.get("results", [{}])[0]

    def _call(
        self, path: str, query: list[tuple[str, str]], headers: dict[str, str], body: str | None, method: str = ""
    ) -> str:
        try:
            response = self._client.api_client.call_api(
                path,
                method or ("POST" if body is not None else "GET"),
                query_params=query,
                header_params=headers,
                body=body,
                _preload_content=False,
                _return_http_data_only=True,
            )
            data: bytes = response.data
        except ApiException as error:
            raise _refusal(error) from error
        except (HTTPError, OSError) as error:
            raise InfluxUnavailable(f"InfluxDB at {self.url} does not answer ({_short(error)})") from error
        return data.decode()


def write_divided(write: Callable[[bytes], None], lines: Sequence[bytes], rejected: Callable[[str, str], None]) -> None:
    """Write ``lines``; where some are rejected, all others, and call ``rejected(line, reason)`` for each of those.

    Raises :class:`InfluxUnavailable`: then part of them may have been written, and all can be written again.
    """
    try:
        write(b"\n".join(lines))
    except LinesRejected as error:
        if len(lines) == 1:
            rejected(lines[0].decode(), str(error))
            return
        middle = len(lines) // 2
        write_divided(write, lines[:middle], rejected)
        write_divided(write, lines[middle:], rejected)


def _authorization(token: str) -> str:
    # 2.x knows such a login by basic authentication only: after "Token" it takes the password for a token of its own.
    return f"Basic {base64.b64encode(token.encode()).decode('ascii')}" if ":" in token else f"Token {token}"


def _refusal(error: ApiException) -> Exception:
    text = f"InfluxDB answers {error.status}: {str(error.body or error.reason)[:500]}"
    return LinesRejected(text) if error.status in _REJECTED else InfluxUnavailable(text)


def _short(error: Exception) -> str:
    return str(error).split("(Caused by")[0][:200] or type(error).__name__
