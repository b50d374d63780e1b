"""The front door of parkwatch: its command line and the native runner; may import everything."""
