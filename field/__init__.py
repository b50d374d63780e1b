"""The field: what stands outside parkwatch and speaks to it over MQTT: a simulated park, and replayed files.

Nothing here knows how parkwatch works inside; it publishes what the MQTT contract says, like any client.
Times are milliseconds since 1970-01-01T00:00:00Z unless a name says otherwise.
"""
