"""The story of the platform on one machine: from a package to a rollout that nobody notices."""
