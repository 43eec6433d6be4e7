"""The engine room: knows core and ports, nothing else."""
