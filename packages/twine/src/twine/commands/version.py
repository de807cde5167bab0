"""twine version: print the version."""

from __future__ import annotations

import argparse

from twine.version import VERSION


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""


def run(_arguments: argparse.Namespace) -> int:
    """Print it."""
    print(VERSION)
    return 0
