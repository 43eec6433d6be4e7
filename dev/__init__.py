"""What people need while they work on Millstream: real servers without containers."""
