"""The stand-in for AWS on one machine: a launcher and a plugin for the emulator, and the command line that runs them."""
