"""The Elasticsearch index of all claims: its mapping, its queries and its updates.

Only what every distribution of Elasticsearch 8 has is used: the standard analyzer, match with fuzziness and
with a prefix, bulk, aliases. One index holds all clients; each query filters by client, and what it finds is read from
PostgreSQL again under the same rule, so that a fault here cannot show a claim to a stranger.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from twine.errors import TwineError
from twine.settings import Settings
from twine.staff import Person

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ALIAS = "twine-claims"
INDEX = "twine-claims-1"
MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "client_id": {"type": "long"},
        "staff_id": {"type": "long"},
        "reference": {"type": "keyword", "copy_to": "text"},
        "category": {"type": "keyword", "copy_to": "text"},
        "status": {"type": "keyword"},
        "description": {"type": "text", "analyzer": "standard", "copy_to": "text"},
        "staff_name": {"type": "text", "analyzer": "standard", "copy_to": "text"},
        "text": {"type": "text", "analyzer": "standard"},
        "filed_at": {"type": "date"},
    },
}
SETTINGS: dict[str, Any] = {
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    "refresh_interval": "500ms",
}
CONFLICT = 409

log = logging.getLogger(__name__)


class SearchAwayError(Exception):
    """Elasticsearch does not answer, or not with what was asked for."""


@dataclass(frozen=True, slots=True)
class Document:
    """A claim as the index holds it. `revision` grows with each change: an older one never replaces a newer."""

    id: int
    revision: int
    client_id: int
    staff_id: int
    reference: str
    category: str
    status: str
    description: str
    staff_name: str
    filed_at: datetime

    def source(self) -> dict[str, object]:
        """Return the fields of the mapping."""
        return {
            "client_id": self.client_id,
            "staff_id": self.staff_id,
            "reference": self.reference,
            "category": self.category,
            "status": self.status,
            "description": self.description,
            "staff_name": self.staff_name,
            "filed_at": self.filed_at.isoformat(),
        }


class SearchIndex:
    """The index through Elasticsearch's client, which is imported at its first use: it costs start-up time."""

    def __init__(self, settings: Settings, *, seconds: float) -> None:
        self._settings = settings
        self._seconds = seconds
        self._client: Elasticsearch | None = None
        self._connecting = threading.Lock()

    def find(self, person: Person, text: str, limit: int) -> list[int]:
        """Return the ids of the claims that match `text` best."""
        filters: list[dict[str, Any]] = [{"term": {"client_id": person.client_id}}]
        if not person.is_manager:
            filters.append({"term": {"staff_id": person.id}})
        words: dict[str, object] = {"query": text, "operator": "and", "fuzziness": "AUTO", "prefix_length": 1, "max_expansions": 20}
        query = {
            "bool": {
                "filter": filters,
                "should": [
                    {"term": {"reference": {"value": text, "boost": 5}}},
                    {"match_bool_prefix": {"text": words | {"boost": 2}}},
                    {"match": {"text": words}},
                ],
                "minimum_should_match": 1,
            }
        }
        order = [{"_score": "desc"}, {"filed_at": "desc"}]
        answer = self._ask("search", index=ALIAS, query=query, size=limit, sort=order, source=False)
        return [int(hit["_id"]) for hit in answer["hits"]["hits"]]

    def exists(self) -> bool:
        """Say whether the index is there."""
        return bool(self._ask("indices.exists_alias", name=ALIAS))

    def create(self) -> None:
        """Create the index; another machine may have been quicker."""
        try:
            self._ask("indices.create", index=INDEX, mappings=MAPPING, settings=SETTINGS, aliases={ALIAS: {}})
        except SearchAwayError:
            if not self.exists():
                raise
        else:
            log.info("Created the search index %s.", INDEX)

    def delete(self) -> None:
        """Delete the index."""
        self._ask("indices.delete", index=INDEX, ignore_unavailable=True)

    def put(self, documents: Sequence[Document]) -> dict[int, str]:
        """Store `documents`; return what is wrong with those that were refused, by id."""
        operations: list[dict[str, Any]] = []
        for document in documents:
            version = {"version": document.revision, "version_type": "external_gte"}
            operations.append({"index": {"_id": str(document.id), **version}})
            operations.append(document.source())
        # Without the alias nothing is stored: an index that makes itself would have no mapping.
        answer = self._ask("bulk", index=ALIAS, operations=operations, require_alias=True)
        results = [item["index"] for item in answer["items"]]
        return {
            int(result["_id"]): str(result["error"].get("reason", result["error"]))
            for result in results
            if "error" in result and result["status"] != CONFLICT
        }

    def _ask(self, call: str, **arguments: Any) -> Any:
        """Make one call; when password or certificate are refused, once more with the secrets as they are now."""
        from elastic_transport import TlsError, TransportError
        from elasticsearch import ApiError, AuthenticationException

        for is_last in (False, True):
            target: Any = self._connect(anew=is_last)
            for name in call.split("."):
                target = getattr(target, name)
            try:
                return target(**arguments)
            except (AuthenticationException, TlsError) as error:
                if is_last:
                    refused = "certificate" if isinstance(error, TlsError) else f"password of {self._settings.search_user}"
                    raise SearchAwayError(f"the {refused} is refused") from error
            except (ApiError, TransportError) as error:
                raise SearchAwayError(str(error)) from error
        raise AssertionError(call)

    def _connect(self, *, anew: bool) -> Elasticsearch:
        with self._connecting:
            if self._client is None or anew:
                self._client = _client(self._settings, self._seconds)
            return self._client


def _client(settings: Settings, seconds: float) -> Elasticsearch:
    from elasticsearch import Elasticsearch

    if settings.search_url is None:
        raise SearchAwayError("TWINE_SEARCH_URL is not set")
    options: dict[str, Any] = {}
    authority = settings.search_ca or settings.secrets.find("search_ca")
    if settings.search_url.startswith("https:") and authority is not None:
        options["ca_certs"] = str(authority)
    try:
        if settings.secrets.find("search") is not None:
            options["basic_auth"] = (settings.search_user, settings.secrets.read("search"))
        return Elasticsearch(settings.search_url, request_timeout=seconds, max_retries=0, **options)
    except (TwineError, ValueError, OSError) as error:
        raise SearchAwayError(str(error)) from error
