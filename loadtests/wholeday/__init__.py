"""A whole day of a whole world, counted person by person in minutes."""
