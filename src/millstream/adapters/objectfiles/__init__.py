"""Objects of S3 and Azure Blob Storage as files of a files pipeline: listed, looked at and fetched."""

from millstream.adapters.objectfiles.fetching import ObjectFetcher
from millstream.adapters.objectfiles.lister import ObjectLister
from millstream.adapters.objectfiles.reference import OpenBucket

__all__ = ["ObjectFetcher", "ObjectLister", "OpenBucket"]
