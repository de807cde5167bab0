"""What makes a copy of an image this machine: its identity, addresses and secrets."""
