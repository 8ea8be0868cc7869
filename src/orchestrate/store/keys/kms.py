"""Master keys that AWS KMS opens: the store keeps them as KMS encrypted them."""

import os
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from orchestrate.core.errors import OrchestrateError, SecretSourceDenied, SecretSourceDown
from orchestrate.store.identity import store_id
from orchestrate.store.ring import Key, checked
from orchestrate.store.sealed import MasterKeyRow

if TYPE_CHECKING:
    from types_boto3_kms.client import KMSClient

CONNECT_S, READ_S, TRIES = 3, 5, 2
_BUSY = frozenset(
    {"ThrottlingException", "KMSInternalException", "DependencyTimeoutException",
     "KeyUnavailableException", "ServiceUnavailable", "InternalFailure", "RequestLimitExceeded"}
)  # fmt: skip


class KmsKeys:
    """Keys under the KMS key that ORCHESTRATE_KMS_KEY names (an id, an ARN or an alias).

    Credentials, region and endpoint are those of the service (AWS_PROFILE, AWS_REGION, a role).
    KMS gets the store's id as encryption context, so its own trail says for whom it opened, and a
    wrapped key of another store does not open.
    """

    name = "aws-kms"
    may_make = True

    def __init__(self, key: str) -> None:
        self._key = key

    def load(self, session: Session) -> tuple[Key, ...]:
        """The keys, newest first. Raises SecretSourceDenied, SecretSourceDown."""
        rows = session.exec(
            select(MasterKeyRow)
            .where(col(MasterKeyRow.wrapped).is_not(None))
            .order_by(col(MasterKeyRow.created_at).desc(), col(MasterKeyRow.kid))
        ).all()
        return tuple(self._opened(session, row) for row in rows)

    def add(self, session: Session) -> Key:
        """A new data key of KMS, recorded as KMS encrypted it."""
        try:
            made = self._client().generate_data_key(
                KeyId=self._key, KeySpec="AES_256", EncryptionContext=_context(session)
            )
        except Exception as error:
            raise _named(error, self._key) from None
        key = checked(made["Plaintext"], "a data key of KMS")
        session.add(
            MasterKeyRow(
                kid=key.id,
                source=self.name,
                reference=made["KeyId"],
                wrapped=made["CiphertextBlob"],
            )
        )
        session.flush()
        return key

    def drop(self, session: Session, identity: str) -> bool:
        """Forget a key that nothing is under any more."""
        row = session.get_one(MasterKeyRow, identity)
        row.wrapped = None
        session.add(row)
        return True

    def _opened(self, session: Session, row: MasterKeyRow) -> Key:
        try:
            opened = self._client().decrypt(
                CiphertextBlob=row.wrapped or b"",
                KeyId=row.reference or self._key,
                EncryptionContext=_context(session),
            )
        except Exception as error:
            raise _named(error, row.reference or self._key) from None
        key = checked(opened["Plaintext"], "a data key of KMS")
        if key.id != row.kid:
            raise SecretSourceDenied(
                "AWS KMS opened another key than the one that was recorded",
                why=[f"recorded {row.kid}, opened {key.id}"],
                fix=["restore the table master_keys from a backup"],
            )
        return key

    def _client(self) -> "KMSClient":
        import boto3
        from botocore.config import Config

        limits = Config(
            connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": TRIES}
        )
        region = os.environ.get("AWS_REGION") or _region_of(self._key)
        return boto3.client("kms", region_name=region, config=limits)


def _context(session: Session) -> dict[str, str]:
    return {"orchestrate": "master-key/v1", "store": store_id(session)}


def _region_of(key: str) -> str | None:
    """`arn:aws:kms:REGION:...` says where it is; None leaves it to boto3's own configuration."""
    return key.split(":")[3] if key.startswith("arn:") else None


def _named(error: Exception, key: str) -> OrchestrateError:
    """The error in our words. KMS's own text may hold account numbers and stays out."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "unknown")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code not in _BUSY and status < 500:
            return SecretSourceDenied(
                f"AWS KMS does not open the master key: {code}",
                why=[f"asked for {key}", "no other key is used in its place"],
                fix=[
                    "allow kms:GenerateDataKey and kms:Decrypt on that key to the service's "
                    "identity, and see that the key is enabled"
                ],
            )
        return _down(code, key)
    if isinstance(error, BotoCoreError):
        return _down(type(error).__name__, key)
    raise error


def _down(what: str, key: str) -> SecretSourceDown:
    return SecretSourceDown(
        f"AWS KMS does not answer: {what}",
        why=[f"asked for {key}", "no other key is used in its place; what runs goes on"],
        fix=["do it again"],
        retry_after_s=5,
    )
