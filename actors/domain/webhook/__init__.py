"""What a developer's server is told of a program."""
