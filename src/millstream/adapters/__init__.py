"""One outside technology per file, imported by wiring alone; adapters never import each other."""
