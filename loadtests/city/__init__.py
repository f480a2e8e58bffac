"""A city's load: what its programs reach with very many people."""
