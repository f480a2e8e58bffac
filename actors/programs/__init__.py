"""The mini programs that ship: a folder each, with manifest.json and program.py. Nothing is imported from here."""
