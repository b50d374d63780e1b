"""``python -m parkwatch``."""

from parkwatch.cli import app

if __name__ == "__main__":
    app()
