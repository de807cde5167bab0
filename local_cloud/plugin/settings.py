"""What the cloud container was told when it was started: whose it is, and how fast its clock runs."""

from __future__ import annotations

import os

CHECKOUT = os.environ.get("TWINE_CHECKOUT", "000000")
PREFIX = f"twine-{CHECKOUT}"
PORT_BASE = int(os.environ.get("TWINE_PORT_BASE", "20000"))
REGION = os.environ.get("MINISTACK_REGION", "eu-west-2")
# Divides AWS's own waits (metric period, cooldown, warm-up, drain), never boot, requests or health checks.
CLOCK_FACTOR = float(os.environ.get("CLOCK_FACTOR", "10"))

ACCOUNTS = {"dev": "111111111111", "prod": "222222222222", "bastion": "333333333333", "dns": "444444444444"}

LABEL_CHECKOUT = "twine.checkout"
LABEL_PART = "twine.part"  # what `down` removes: containers and networks whose part is local_cloud
PART = "local_cloud"
LABEL_ROLE = "twine.role"
LABEL_INSTANCE = "twine.instance"
LABEL_ACCOUNT = "twine.account"

# Docker's weight of one processor when all are busy: an instance has its type's part of it, a service of AWS's own has one.
SHARES_OF_A_PROCESSOR = 4096

# Where instances find both the metadata service (port 80) and every AWS API (port 4566).
LINK_LOCAL = "169.254.169.254"


def image(name: str) -> str:
    """The Docker image built from `local_cloud/images/<name>`."""
    return os.environ[f"TWINE_IMAGE_{name.upper()}"]
