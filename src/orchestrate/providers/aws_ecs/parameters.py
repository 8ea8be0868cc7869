"""Secrets of an application, as parameters that its task definition refers to.

A parameter is written once and never changed: its name holds the version of the secret, so that a
revision that is restored gets the value it had. No value ever is in a task definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrate.core.environment import Environment
from orchestrate.core.protocols import Secrets
from orchestrate.core.revision import Revision
from orchestrate.providers.aws_ecs.account import OURS, Account
from orchestrate.providers.aws_ecs.errors import Exists, told
from orchestrate.providers.aws_ecs.settings import settings_of

if TYPE_CHECKING:
    from types_boto3_ssm.type_defs import PutParameterRequestTypeDef

AT_ONCE = 40
"""Names in one question, by SSM's own limit of 50 values of a filter."""


class Parameters:
    """The parameters /orchestrate/<app>/<environment>/<NAME>/<version>."""

    def __init__(self, account: Account, environment: Environment, secrets: Secrets) -> None:
        self._account = account
        self._secrets = secrets
        self._names = tuple(name for name in environment.secrets if name not in OURS)
        self._prefix = f"/orchestrate/{environment.app}/{environment.name}"

    @property
    def given(self) -> bool:
        """Whether the application is given any secret."""
        return bool(self._names)

    def names(self, revision: Revision) -> dict[str, str]:
        """Names of variables, and of the parameters with their values, for a revision. A secret
        without versions has one for each revision."""
        pinned = {n: v for n, v in revision.secret_versions.items() if n not in OURS}
        versions = {**{name: f"r-{revision.key}" for name in self._names}, **pinned}
        return {name: f"{self._prefix}/{name}/{version}" for name, version in versions.items()}

    def ensure(self, revision: Revision) -> dict[str, str]:
        """Have the values in place. Raises SecretMissing."""
        wanted = self.names(revision)
        there = self._there(list(wanted.values()))
        for name, parameter in wanted.items():
            if parameter not in there:
                self._put(name, parameter, revision)
        return wanted

    def lost(self, revision: Revision) -> list[str]:
        """What of a revision's secrets is not there any more."""
        wanted = self.names(revision)
        there = self._there(list(wanted.values()))
        return [f"parameter {p} is gone" for p in wanted.values() if p not in there]

    def _put(self, name: str, parameter: str, revision: Revision) -> None:
        version = revision.secret_versions.get(name)
        asked: PutParameterRequestTypeDef = {
            "Name": parameter,
            "Value": self._secrets.get(name, version).reveal(),
            "Type": "SecureString",
            "Tier": "Intelligent-Tiering",  # beyond 4 KB the standard tier refuses
            "Overwrite": False,
        }
        key = settings_of(revision.config).kms_key
        if key:
            asked["KeyId"] = key
        try:
            with told(f"parameter {parameter} was not written"):
                self._account.ssm.put_parameter(**asked)
        except Exists:
            return  # of another worker, or of this write before a crash: the version is the same

    def _there(self, names: list[str]) -> set[str]:
        found: set[str] = set()
        for first in range(0, len(names), AT_ONCE):
            with told("the parameters were not looked for"):
                answer = self._account.ssm.describe_parameters(
                    ParameterFilters=[
                        {
                            "Key": "Name",
                            "Option": "Equals",
                            "Values": names[first : first + AT_ONCE],
                        }
                    ],
                    MaxResults=AT_ONCE + 10,
                )
            found |= {each["Name"] for each in answer["Parameters"] if "Name" in each}
        return found
