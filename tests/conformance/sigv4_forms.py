"""A pytest plugin: signs the suite's upload forms with Signature Version 4.

s3-tests signs the policies of its POST forms with Signature Version 2, which S3 has retired and the gateway refuses. So
that the tests still test what they are about, a form is signed anew before it is sent: rightly if its signature was
right, wrongly if it was wrong. A policy that can be read gets the conditions that version 4 adds; any other stays.
"""

import base64
import datetime
import hashlib
import hmac
import json

import httpx
import requests

from servers import USERS

SECRETS = dict(USERS.values())
REGION = "us-east-1"


def signed_anew(form, now):
    """The form's fields with a signature of version 4 in place of the one of version 2."""
    fields = dict(form)
    access_key = fields.pop("AWSAccessKeyId", None)
    policy, signature = fields.get("policy"), fields.pop("signature", None)
    if access_key is None and signature is None:
        return form
    day = now.strftime("%Y%m%d")
    added = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{access_key}/{day}/{REGION}/s3/aws4_request",
        "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
    }
    secret = SECRETS.get(access_key, "none")
    if policy is not None:
        policy = text(policy)
        was_right = text(signature or "") == version_2(secret, policy)
        fields["policy"] = with_conditions(policy, added)
        if signature is not None:
            right = version_4(secret, day, fields["policy"])
            added["x-amz-signature"] = right if was_right else right[::-1]
    elif signature is not None:
        added["x-amz-signature"] = "0" * 64
    if access_key is None:
        del added["x-amz-credential"]
    file = fields.pop("file", None)
    # S3 ignores what comes after the file.
    return {**fields, **added, **({} if file is None else {"file": file})}


def with_conditions(policy, added):
    try:
        document = json.loads(base64.b64decode(policy))
        document["conditions"].extend({name: value} for name, value in added.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return policy
    return base64.b64encode(json.dumps(document).encode()).decode()


def version_2(secret, policy):
    return base64.b64encode(hmac.new(secret.encode(), policy.encode(), hashlib.sha1).digest()).decode()


def version_4(secret, day, policy):
    key = f"AWS4{secret}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, policy.encode(), hashlib.sha256).hexdigest()


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def signing(post):
    def signed(url, *arguments, **named):
        if isinstance(named.get("files"), dict):
            named["files"] = signed_anew(named["files"], datetime.datetime.now(datetime.timezone.utc))
        return post(url, *arguments, **named)

    return signed


for module in (httpx, requests):
    module.post = signing(module.post)
