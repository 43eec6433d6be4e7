"""Minutes, the larger windows above them, the sets of users in them, and what is put out when."""
