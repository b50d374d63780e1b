"""The alarm console: what staff see and do in a browser, and the same as JSON."""
