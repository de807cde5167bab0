"""Packages and their repository: definitions, builds, aptly, and the proof of a published index."""
