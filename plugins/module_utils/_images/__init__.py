"""Images: what they are made of, whether one must be baked, and what came of it."""
