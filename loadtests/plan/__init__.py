"""How many machines a day needs, from what was measured."""
