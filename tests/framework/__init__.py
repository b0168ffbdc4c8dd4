"""Helpers and helper programs that tests of several folders share."""
