"""What the platform must reach, row by row, and how each stands."""
