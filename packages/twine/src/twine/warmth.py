"""What the caches had, and what had to be made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Warmth:
    """Counts since this process began. Not exact when two threads count at once, and need not be."""

    hits: int = 0
    misses: int = 0

    def count(self, is_hit: bool) -> None:
        """Count one look into the cache."""
        if is_hit:
            self.hits += 1
        else:
            self.misses += 1

    def as_json(self) -> dict[str, int]:
        """Return the counts."""
        return {"hits": self.hits, "misses": self.misses}
