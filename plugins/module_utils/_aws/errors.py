"""What went wrong, as one sentence a person can act on."""

from __future__ import annotations

from typing import Any


class Failure(Exception):
    """An expected failure. Its text reads "Failed to <what> <which>: <why>. <what to do>."."""


def sentence(what: str, which: str, why: str, remedy: str) -> str:
    """Put a failure into the one form that all of them have.

    Example: ``sentence("assume role", "arn:…", "access denied", "Check …")``.
    """
    return f"Failed to {what} {which}: {why.strip().rstrip('.')}. {remedy.strip().rstrip('.')}."


# Codes that AWS services answer with, and what a person does about them. Sources:
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
_REMEDIES = {
    "AccessDenied": "Check that the credentials in use may do this, and the trust policy and external id of the role",
    "AccessDeniedException": "Check that the credentials in use may do this",
    "UnauthorizedOperation": "Check that the credentials in use may do this",
    "ExpiredToken": "Log in again, then run the same command",
    "ExpiredTokenException": "Log in again, then run the same command",
    "InvalidClientTokenId": "Check the access key and that it belongs to this account and endpoint",
    "SignatureDoesNotMatch": "Check the secret key and this machine's clock",
    "RequestExpired": "Check this machine's clock",
    "Throttling": "Run the same command again later, or lower the option 'parallel'",
    "ThrottlingException": "Run the same command again later, or lower the option 'parallel'",
    "RequestLimitExceeded": "Run the same command again later, or lower the option 'parallel'",
    "LimitExceededException": "Ask AWS for a higher quota, or remove what is not needed",
    "InsufficientCapabilitiesException": "Name the capability in the stack's 'capabilities'",
    "OptInRequired": "Enable the region in this account",
}


def code_of(error: BaseException) -> str:
    """The error code of a botocore ``ClientError``, or the name of the exception's class."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def message_of(error: BaseException) -> str:
    """The service's own words, without botocore's preamble."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Message") or code_of(error))
    return str(error)


_CLIENT_REMEDIES = {
    "NoCredentialsError": "Set the option 'profile', the environment variable AWS_PROFILE, or log in",
    "PartialCredentialsError": "Give both the access key and the secret key",
    "ProfileNotFound": "Correct the profile's name, or add it to your AWS configuration",
    "EndpointConnectionError": "Check the network, the region and the endpoint (AWS_ENDPOINT_URL)",
    "ConnectTimeoutError": "Check the network, the region and the endpoint (AWS_ENDPOINT_URL)",
    "ConnectionClosedError": "Check that the endpoint is up (AWS_ENDPOINT_URL), then run the same command again",
    "ReadTimeoutError": "Run the same command again; it continues where this one ended",
    "NoRegionError": "Set 'account_region' of the account, or the option 'region'",
    "TokenRetrievalError": "Log in again, then run the same command",
    "UnauthorizedSSOTokenError": "Log in again, then run the same command",
    "SSOTokenLoadError": "Log in again, then run the same command",
}


def explain(what: str, which: str, error: BaseException) -> Failure:
    """Turn an exception of boto3 into a sentence with a remedy."""
    code = code_of(error)
    remedy = _REMEDIES.get(code) or _CLIENT_REMEDIES.get(code) or "Read the message, correct its cause, run again"
    return Failure(sentence(what, which, message_of(error), remedy))
