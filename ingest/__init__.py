"""From an MQTT message to readings that are handed over, stored and only then acknowledged."""
