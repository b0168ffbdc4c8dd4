"""The formats of the OCI runtime-spec as plain data: bundles, state, features. No kernel work.

`bundle.load` reads a config.json, `writer.write` makes one; each section of the file is read and
written by the module of its name.
"""
