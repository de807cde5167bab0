"""The workshop: sets up, checks and cleans a checkout. Standard library only, so that it runs before anything is installed."""
