"""A module per section: from what was gathered to the figures that its part of the page shows. Pure."""
