"""Who asks Google: a service account's key, exchanged for a token that lasts an hour (RFC 7523)."""

import base64
import json
import time
from urllib.parse import urlencode

from orchestrate.core.errors import MetricSourceRefused, MetricsUnavailable
from orchestrate.core.secret import Secret
from orchestrate.providers.metrics.asking import Asking

SCOPE = "https://www.googleapis.com/auth/monitoring.read"
TOKEN_URL = "https://oauth2.googleapis.com/token"
LIFE_S = 3600
SPARE_S = 300.0
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Identity:
    """The token of one environment: given as it is, or got by the key `credentials`."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._token: Secret | None = None
        self._until = 0.0

    def headers(self) -> dict[str, str | Secret]:
        """Raises MetricSourceRefused for a key that is none, and what asking raises."""
        token = self._asking.secret("token") or self._own()
        return {"authorization": Secret(f"Bearer {token.reveal()}")}

    def forget(self) -> None:
        """The next question is asked with a new token."""
        self._token = None

    def _own(self) -> Secret:
        token = self._token  # looked at once: another thread that was refused forgets it
        if token is None or time.time() > self._until:
            self._token = token = self._exchanged(self._asking.needed("credentials"))
            self._until = time.time() + LIFE_S - SPARE_S
        return token

    def _exchanged(self, key: Secret) -> Secret:
        form = {"grant_type": _GRANT, "assertion": _assertion(key, time.time())}
        url = _account(key).get("token_uri") or TOKEN_URL
        answer = self._asking.ask(
            "POST",
            str(url),
            {"content-type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
        )
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise MetricsUnavailable("google gave no token")
        return Secret(token)


def _account(key: Secret) -> dict[str, object]:
    try:
        found = json.loads(key.reveal())
    except ValueError:
        found = None
    if isinstance(found, dict) and "private_key" in found and "client_email" in found:
        return found
    raise MetricSourceRefused(
        "the secret for google's credentials is no service account's key",
        why=["it is not the JSON with client_email and private_key"],
        fix=["gcloud iam service-accounts keys create KEY.json --iam-account=ACCOUNT"],
    )


def _assertion(key: Secret, now: float) -> str:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    account = _account(key)
    claims = {
        "iss": account["client_email"],
        "scope": SCOPE,
        "aud": account.get("token_uri") or TOKEN_URL,
        "iat": int(now),
        "exp": int(now) + LIFE_S,
    }
    head = {"alg": "RS256", "typ": "JWT", "kid": account.get("private_key_id")}
    text = f"{_part(head)}.{_part(claims)}"
    try:
        private = serialization.load_pem_private_key(str(account["private_key"]).encode(), None)
    except (ValueError, TypeError) as problem:
        raise MetricSourceRefused("google's private key cannot be read") from problem
    if not isinstance(private, rsa.RSAPrivateKey):
        raise MetricSourceRefused("google's private key is no RSA key")
    signature = private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{_coded(signature)}"


def _part(value: dict[str, object]) -> str:
    return _coded(json.dumps(value).encode())


def _coded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
