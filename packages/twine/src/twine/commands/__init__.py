"""The commands of `twine`, a module each: `add_arguments` says what it takes, `run` does it and returns its status."""
