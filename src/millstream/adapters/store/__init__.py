"""Stores: a local folder, S3 and Azure Blob Storage behind one port; clients are imported when they are needed."""

from millstream.adapters.store.credentials import read_credentials
from millstream.adapters.store.local import LocalStore
from millstream.adapters.store.opening import check_objects, open_bucket, open_store

__all__ = ["LocalStore", "check_objects", "open_bucket", "open_store", "read_credentials"]
