"""What plays a scenario against a platform, and says what came of it."""
