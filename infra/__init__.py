"""What runs the platform beside its own code: set-up and test scripts, and Kafka for one machine."""
