"""Measurements: ratios, medians and percentiles; never asserted."""
