"""Apache Kafka on this machine: fetched by Maven, one broker or three on loopback; for tests and `--log kafka`."""
