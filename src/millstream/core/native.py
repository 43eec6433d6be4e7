"""The optional package of compiled code: what it is called, and which version of it this Millstream was written for.

Another version might mean another thing by the same columns, so it counts as none.
"""

PACKAGE = "millstream_native"
VERSION = "0.3.0"
"""As in `native/Cargo.toml`."""
