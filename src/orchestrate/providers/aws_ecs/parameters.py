"""Secrets of an application, as parameters that its task definition refers to.

A parameter is written once and never changed: its name holds the version of the secret, so that a
revision that is restored gets the value it had. No value ever is in a task definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from orchestrate.core.environment import Environment
from orchestrate.core.protocols import Secrets
from orchestrate.core.revision import Revision
from orchestrate.core.secret_rules import for_application, pinned
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Exists, told
from orchestrate.providers.aws_ecs.settings import settings_of

if TYPE_CHECKING:
    from types_boto3_ssm.type_defs import (
        DescribeParametersRequestTypeDef,
        PutParameterRequestTypeDef,
    )

_NAMEABLE = re.compile(r"[A-Za-z0-9_.-]{1,100}")
AT_ONCE = 40
"""Names in one question, by SSM's own limit of 50 values of a filter."""
DELETED_AT_ONCE = 10
"""By SSM's own limit."""


class Parameters:
    """The parameters /orchestrate/<app>/<environment>/<NAME>/<version>."""

    def __init__(self, account: Account, environment: Environment, secrets: Secrets) -> None:
        self._account = account
        self._secrets = secrets
        self._environment = environment
        self._prefix = f"/orchestrate/{environment.app}/{environment.name}"

    @property
    def given(self) -> bool:
        """Whether the application is given any secret."""
        return bool(for_application(self._environment))

    def names(self, revision: Revision) -> dict[str, str]:
        """Names of variables, and of the parameters with their values, for a revision."""
        versions = pinned(self._environment, revision)
        return {n: f"{self._prefix}/{n}/{_plain(version)}" for n, version in versions.items()}

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

    def forget(self) -> None:
        """Delete all of the environment's, of whatever version. For one that is deleted: another of
        its name would begin with version 1 again, and find the value of the former."""
        names = list(self._matching("BeginsWith", [f"{self._prefix}/"]))
        for first in range(0, len(names), DELETED_AT_ONCE):
            with told("the parameters with the secrets were not deleted"):
                some = names[first : first + DELETED_AT_ONCE]
                self._account.ssm.delete_parameters(Names=some)

    def _put(self, name: str, parameter: str, revision: Revision) -> None:
        version = revision.secret_versions[name]
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
            found |= set(self._matching("Equals", names[first : first + AT_ONCE]))
        return found

    def _matching(self, how: str, names: list[str]) -> Iterator[str]:
        """Parameters that are there. A page may be empty and not be the last."""
        asked: DescribeParametersRequestTypeDef = {
            "ParameterFilters": [{"Key": "Name", "Option": how, "Values": names}],
            "MaxResults": AT_ONCE,
        }
        while True:
            with told("the parameters were not looked for"):
                answer = self._account.ssm.describe_parameters(**asked)
            yield from (each["Name"] for each in answer["Parameters"] if "Name" in each)
            if "NextToken" not in answer:
                return
            asked["NextToken"] = answer["NextToken"]


def _plain(version: str) -> str:
    """A version as a parameter may be named: one that is kept elsewhere has a path in its name."""
    return version if _NAMEABLE.fullmatch(version) else sha256(version.encode()).hexdigest()[:32]
