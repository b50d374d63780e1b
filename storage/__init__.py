"""Adapters between the domain and the world: configuration files, Redis, InfluxDB, the disk."""
