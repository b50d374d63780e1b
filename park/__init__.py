"""The domain of parkwatch, pure: no I/O, no clock, no environment; time is always an argument.

Event and server times are integers, milliseconds since 1970-01-01T00:00:00Z, unless a name says otherwise.
"""
