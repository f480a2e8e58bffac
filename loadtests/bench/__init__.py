"""The benchmark: every figure that the platform promises, measured side by side with what it is made of."""
