"""What the emulator lacks, made of containers, networks and packet filters. Runs inside the cloud container only."""
