"""Twine: staff, expense claims and search for many clients, each of whom sees only what is theirs."""
