"""Two revisions side by side, by clock and by instructions."""
