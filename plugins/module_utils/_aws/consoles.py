"""What machines say on their consoles, and what is noted of it on their image."""

from __future__ import annotations

from typing import Any

from .errors import explain


def consoles(ec2: Any, account: str, image: str) -> dict[str, str]:
    """Each running machine of ``image`` → its console's text of now; ``ec2`` is a client in ``account``.

    The text is a machine's latest only for types of the Nitro system:
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html

    :raises Failure: if the account does not say it.
    """
    filters = [{"Name": "image-id", "Values": [image]}, {"Name": "instance-state-name", "Values": ["running"]}]
    try:
        pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
        machines = [one["InstanceId"] for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]]
        return {machine: ec2.get_console_output(InstanceId=machine, Latest=True).get("Output", "") for machine in machines}
    except Exception as error:
        raise explain("read the consoles of machines of image", f"{account}/{image}", error) from error


def tag_image(ec2: Any, account: str, image: str, key: str, value: str) -> None:
    """Tag ``image``; ``ec2`` is a client in ``account``, and tags are seen in that account only.

    :raises Failure: if the account does not let us.
    """
    try:
        ec2.create_tags(Resources=[image], Tags=[{"Key": key, "Value": value}])
    except Exception as error:
        raise explain("tag image", f"{account}/{image}", error) from error
