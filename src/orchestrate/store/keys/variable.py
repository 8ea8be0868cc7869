"""Master keys in the environment of the service: ORCHESTRATE_MASTER_KEY."""

from collections.abc import Mapping

from sqlmodel import Session

from orchestrate.core.errors import MasterKeyInvalid
from orchestrate.store.ring import Key, parsed

NAME = "ORCHESTRATE_MASTER_KEY"


class KeyVariable:
    """Keys that whoever starts the service gives it; this program cannot change them."""

    name = "environment"
    may_make = False

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def load(self, session: Session) -> tuple[Key, ...]:
        """Raises MasterKeyInvalid."""
        return parsed(self._environ.get(NAME, ""), NAME)

    def add(self, session: Session) -> Key:
        """Raises MasterKeyInvalid: a person puts the new key first and starts the service anew."""
        raise MasterKeyInvalid(
            f"the master key is in {NAME}, and only whoever starts the service can change it",
            why=["what is sealed is under the first key of it already"],
            fix=[
                f"put the new key before the old one in {NAME}, with a comma between them, "
                "restart the service, then: orchestrate secrets rotate --master-key"
            ],
        )

    def drop(self, session: Session, identity: str) -> bool:
        """False: it is left for whoever starts the service to take away."""
        return False
