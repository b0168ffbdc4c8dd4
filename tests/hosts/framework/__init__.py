"""Boots ordinary hosts as virtual machines, with this checkout set up in them.

`hosts` lists them, `disk` prepares what they boot from once and keeps it, `machine` boots one and
runs commands there, `checkout` carries this checkout in.
"""
