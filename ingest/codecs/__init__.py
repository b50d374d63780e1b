"""Payload formats, one file each: bytes in, samples out."""
