"""The AWS account of an environment: who we are there, and clients of its services.

The service's own environment is not looked at: neither its variables, nor its files, nor the role
of its machine, unless `credentials: ambient` or a profile asks for it. Otherwise an environment
whose secrets are missing would be deployed with whatever rights the service happens to have.
"""

from __future__ import annotations

import hashlib
import os
import secrets as dice
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrate.core.environment import Environment
from orchestrate.core.errors import ProviderConfigInvalid, SecretMissing
from orchestrate.core.protocols import Secrets
from orchestrate.core.secret import Secret
from orchestrate.providers.aws_ecs.errors import told
from orchestrate.providers.aws_ecs.settings import Settings
from orchestrate.providers.outbound import Outbound

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.session import Session as Core
    from types_boto3_application_autoscaling import ApplicationAutoScalingClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_ecr import ECRClient
    from types_boto3_ecs import ECSClient
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient
    from types_boto3_sts.type_defs import AssumeRoleRequestTypeDef

ID = ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
KEY = ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
TOKEN = ("AWS_SESSION_TOKEN",)
REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
RENEW_S = 300.0
"""A role's credentials are asked for anew when they have no more than this left."""
_SALT = dice.token_bytes(16)
_sessions: dict[tuple[object, ...], Sessions] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Keys:
    """What a caller signs with."""

    id: str
    key: Secret
    token: Secret | None = None

    @property
    def mark(self) -> str:
        """Tells keys apart within this process, and tells nothing else."""
        text = "\0".join((self.id, self.key.reveal(), self.token.reveal() if self.token else ""))
        return hashlib.blake2b(text.encode(), key=_SALT, digest_size=16).hexdigest()


class Account:
    """Clients, made when they are first used; those of equal credentials are shared."""

    def __init__(self, settings: Settings, environment: Environment, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets
        self._named = frozenset(environment.secrets)
        self._variables = environment.variables
        self._opened: Sessions | None = None

    @property
    def ecs(self) -> ECSClient:
        return self._found.client("ecs")  # type: ignore[return-value]  # named by the line above

    @property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        return self._found.client("elbv2")  # type: ignore[return-value]

    def ecr(self, region: str) -> ECRClient:
        """A registry may be in another region than the cluster."""
        return self._found.client("ecr", region)  # type: ignore[return-value]

    @property
    def ssm(self) -> SSMClient:
        return self._found.client("ssm")  # type: ignore[return-value]

    @property
    def logs(self) -> CloudWatchLogsClient:
        return self._found.client("logs")  # type: ignore[return-value]

    @property
    def cloudwatch(self) -> CloudWatchClient:
        return self._found.client("cloudwatch")  # type: ignore[return-value]

    @property
    def autoscaling(self) -> ApplicationAutoScalingClient:
        return self._found.client("application-autoscaling")  # type: ignore[return-value]

    @property
    def sts(self) -> STSClient:
        return self._found.client("sts")  # type: ignore[return-value]

    @property
    def region(self) -> str:
        """Raises ProviderConfigInvalid when nothing says which."""
        found = self._settings.region or next(
            (self._variables[name] for name in REGION if name in self._variables), None
        )
        if found is None and (
            self._settings.credentials.ambient or self._settings.credentials.profile
        ):
            found = _session(self._settings, None).region_name
        if found is None:
            raise ProviderConfigInvalid(
                "the region is not known",
                why=["config has no `region`, and the cluster is not given by its ARN"],
                fix=["write `region: eu-west-1` (yours) into config"],
            )
        return found

    @property
    def _found(self) -> Sessions:
        """The session in force; a role's is renewed before it ends."""
        if self._opened is None or self._opened.ends_at - time.time() < RENEW_S:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Sessions:
        keys = self._keys()
        mark = keys.mark if keys else None
        settings = self._settings
        place = (mark, settings.credentials, settings.endpoint, self.region)
        with _lock:
            found = _sessions.get(place)
            if found is None or found.ends_at - time.time() < RENEW_S:
                found = _sessions[place] = _opened(settings, keys, self.region)
        return found

    def _keys(self) -> Keys | None:
        """Keys from the environment's secrets; None where config says otherwise."""
        if self._settings.credentials.ambient or self._settings.credentials.profile:
            return None
        id_, key, token = (self._first(names) for names in (ID, KEY, TOKEN))
        if id_ is not None and key is None and ":" in id_.reveal():
            # One secret may hold both, as `AKIA...:the key`.
            first, _, rest = id_.reveal().partition(":")
            id_, key = Secret(first), Secret(rest)
        if id_ is None or key is None:
            missing = ID[0] if id_ is None else KEY[0]
            raise SecretMissing(
                f"there are no AWS credentials: the environment has no secret {missing}",
                why=["the service's own credentials are not used unless config says so"],
                fix=[
                    f"give the environment the secrets {ID[0]} and {KEY[0]}",
                    "or write `profile: NAME` or `credentials: ambient` into config",
                ],
            )
        return Keys(id_.reveal(), key, token)

    def _first(self, names: Collection[str]) -> Secret | None:
        found = next((name for name in names if name in self._named), None)
        return self._secrets.get(found) if found else None


@dataclass
class Sessions:
    """A session with the clients that were made of it."""

    session: Session
    options: Mapping[str, object]
    ends_at: float

    def __post_init__(self) -> None:
        self._clients: dict[tuple[str, str | None], object] = {}
        self._making = threading.Lock()

    def client(self, name: str, region: str | None = None) -> object:
        with self._making:  # making one is not safe in several threads, using one is
            if (name, region) not in self._clients:
                options = {**self.options, **({"region_name": region} if region else {})}
                made = self.session.client(name, **options)  # type: ignore[call-overload]
                self._clients[name, region] = made
            return self._clients[name, region]


def _opened(settings: Settings, keys: Keys | None, region: str) -> Sessions:
    if settings.endpoint is not None:
        Outbound().judge(settings.endpoint)
    quiet = not settings.credentials.ambient
    options: dict[str, object] = {
        "region_name": region,
        "endpoint_url": settings.endpoint,
        "config": _config(quiet),
        "verify": True if quiet else None,
    }
    found = Sessions(_session(settings, keys), options, float("inf"))
    return _assumed(settings, found) if settings.credentials.role else found


def _assumed(settings: Settings, base: Sessions) -> Sessions:
    """The role of config, taken on with the credentials of `base`."""
    from boto3.session import Session

    sts: STSClient = base.client("sts")  # type: ignore[assignment]
    asked: AssumeRoleRequestTypeDef = {
        "RoleArn": settings.credentials.role or "",
        "RoleSessionName": "orchestrate",
    }
    if settings.credentials.external_id:
        asked["ExternalId"] = settings.credentials.external_id
    with told(f"role {settings.credentials.role} was not taken on"):
        answer = sts.assume_role(**asked)
    given = answer["Credentials"]
    session = Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        botocore_session=None if settings.credentials.ambient else _quiet_core(None),
    )
    return Sessions(session, base.options, given["Expiration"].timestamp())


def _session(settings: Settings, keys: Keys | None) -> Session:
    from boto3.session import Session

    credentials = settings.credentials
    if credentials.ambient:
        return Session()
    with told(f"profile {credentials.profile} was not found"):
        if keys is None:
            return Session(botocore_session=_quiet_core(credentials.profile))
    return Session(
        aws_access_key_id=keys.id,
        aws_secret_access_key=keys.key.reveal(),
        aws_session_token=keys.token.reveal() if keys.token else None,
        botocore_session=_quiet_core(None),
    )


def _quiet_core(profile: str | None) -> Core:
    """A botocore session that looks at no variable, and at ~/.aws only for a profile."""
    from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
    from botocore.session import Session

    quiet = {
        name: (known[0], None, *known[2:])
        for name, known in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    if profile is None:
        for name in ("config_file", "credentials_file"):
            quiet[name] = (None, None, os.devnull, None)
    return Session(session_vars=quiet, profile=profile)


def _config(quiet: bool) -> Config:
    from botocore.config import Config

    # Through a mapping: the stubs of Config do not know its newer options.
    options: dict[str, object] = {
        "connect_timeout": 5,
        "read_timeout": 15,
        "retries": {"mode": "standard", "total_max_attempts": 3},
        "user_agent_appid": "orchestrate",
    }
    if quiet:
        options |= {"ignore_configured_endpoint_urls": True, "proxies": {}}
    return Config(**options)  # type: ignore[arg-type]
