"""The file ingestion service: chunks of one big file, worked and published."""
