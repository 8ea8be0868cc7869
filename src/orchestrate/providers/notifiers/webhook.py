"""A webhook: JSON of our own, or what Slack and Teams show.

Text from outside stands only where neither of them looks for links, mentions or formatting: Slack's
`plain_text` objects, and the text runs of an adaptive card, which Teams does not read as Markdown.
"""

import hashlib
import hmac
import json
import time

from pydantic import JsonValue

from orchestrate.core.errors import PermanentError, TemporaryError
from orchestrate.core.notification import Facts, Message, Webhook, message
from orchestrate.core.protocols import Secrets
from orchestrate.core.secret import Secret
from orchestrate.providers.outbound import Answer, Outbound

SCHEMA = "orchestrate.notification.v1"
SIGNATURE = "x-orchestrate-signature"
DELIVERY = "x-orchestrate-delivery"
GONE = 410
LONGEST_RETRY_S = 3600.0
_MOST_LINE = 1900
"""Slack takes 2,000 characters in a field."""


def send(sink: Webhook, facts: Facts, identity: str, secrets: Secrets, outbound: Outbound) -> None:
    """POST it; done at a 2xx. The signature is `t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.body`:
    a receiver refuses an old time and an identity it has seen."""
    body = json.dumps(_body(sink, facts, identity), ensure_ascii=False).encode()
    headers: dict[str, str | Secret] = {"content-type": "application/json", DELIVERY: identity}
    if sink.sign_with is not None:
        headers[SIGNATURE] = signature(secrets.get(sink.sign_with), body, int(time.time()))
    url = sink.url if sink.url is not None else secrets.get(sink.url_secret or "")
    answer = outbound.send("POST", url, headers=headers, content=body)
    _judge(answer)


def signature(key: Secret, body: bytes, at: int) -> str:
    """What the receiver computes too."""
    signed = str(at).encode() + b"." + body
    return f"t={at},v1={hmac.new(key.reveal().encode(), signed, hashlib.sha256).hexdigest()}"


def _body(sink: Webhook, facts: Facts, identity: str) -> JsonValue:
    told = message(facts)
    match sink.format:
        case "slack":
            return _slack(told)
        case "teams":
            return _teams(told)
        case "json":
            return {
                "schema": SCHEMA,
                "id": identity,
                "summary": told.title,
                "next": told.next,
                **facts.model_dump(mode="json"),
            }


def _slack(told: Message) -> JsonValue:
    """Blocks (https://docs.slack.dev/reference/block-kit); `text` is for previews, where Slack
    reads `&`, `<` and `>`."""
    fields: list[JsonValue] = [
        _plain(f"{name}: {text[:_MOST_LINE]}") for name, text in told.lines[:10]
    ]
    blocks: list[JsonValue] = [
        {"type": "section", "text": _plain(told.title[:_MOST_LINE])},
        {"type": "section", "fields": fields},
        {"type": "context", "elements": [_plain(told.next)]},
    ]
    preview = told.title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": preview, "blocks": blocks}


def _plain(text: str) -> JsonValue:
    return {"type": "plain_text", "text": text, "emoji": False}


def _teams(told: Message) -> JsonValue:
    """An adaptive card in a message, as a Teams workflow takes it."""
    body: list[JsonValue] = [_run(told.title, "Bolder")]
    body += [_run(f"{name}: {text}", "Default") for name, text in told.lines]
    body.append(_run(told.next, "Lighter"))
    card: JsonValue = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "content": card}]}


def _run(text: str, weight: str) -> JsonValue:
    run: JsonValue = {"type": "TextRun", "text": text, "weight": weight}
    return {"type": "RichTextBlock", "inlines": [run]}


def _judge(answer: Answer) -> None:
    """Anything but a 2xx is worth another try, except that the address is gone for good: a wrong
    token or a missing channel is mended by a person, and then what waits should arrive."""
    if answer.ok:
        return
    if answer.status == GONE:
        raise PermanentError("the webhook's address is gone (410)")
    raise TemporaryError(
        f"the webhook {answer.said}", retry_after_s=_retry_after(answer.headers.get("retry-after"))
    )


def _retry_after(text: str | None) -> float | None:
    """Seconds, where the sink named them; a date is not read: our own back-off serves."""
    if text is None or not text.strip().isdecimal():
        return None
    return min(float(text.strip()), LONGEST_RETRY_S)
