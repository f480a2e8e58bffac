"""The ways into a program."""
