"""The catalogue: which programs there are, by whom, and which version of each is shown to whom."""
