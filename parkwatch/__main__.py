"""``parkwatch``, and ``python -m parkwatch``."""

import sys


def main() -> None:
    """Run a command. A piece of the service loads only its own room, not what all the other commands need."""
    if sys.argv[1:2] == ["run"]:
        from parkwatch.pieces import pieces

        pieces(args=sys.argv[2:], prog_name="parkwatch run")
    else:
        from parkwatch.cli import app

        app()


if __name__ == "__main__":
    main()
