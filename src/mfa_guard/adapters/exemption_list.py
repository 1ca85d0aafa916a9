"""The whole exemption table at once: apart from `exemptions`, as only a sweep may read it all."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.exemptions import record
from mfa_guard.core.exemption import Exemption, MalformedExemption

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PERMISSIONS: Final = ("dynamodb:Scan",)


class ExemptionList:
    """Every exemption. Raises what DynamoDB raises, for the reason that `ExemptionTable` gives."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def all(self, now: datetime) -> dict[str, Exemption | MalformedExemption]:
        """Return every record by the id of its user, expired and malformed ones as well."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        return {
            user_id: record(item, user_id, now)
            for page in pages
            for item in page["Items"]
            for user_id in [item["user_id"]["S"]]
        }
