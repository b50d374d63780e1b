"""The monthly report: figures of every section (pure), one self-contained page, and its PDF."""
