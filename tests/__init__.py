"""Tests of parkwatch, against real servers."""
