"""Lines and messages to arrays of times and user hashes; everything else is rejected, with its reason."""
