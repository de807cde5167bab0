"""The one error of this package."""


class ConfigurationError(Exception):
    """The machine can't be configured; the message says what failed, why, and what to do."""
