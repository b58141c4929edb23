"""Pages of videos, their clips and models."""
