"""Object stores, as other tests stand on them."""

from dev import azurite as azure_server
from dev import s3 as s3_server

from servers.objects import S3, Azurite, OwnAzurite, OwnS3

BLOB = {"x-ms-blob-type": "BlockBlob"}


def test_a_blob_is_kept(azurite: Azurite) -> None:
    """What was put into a container is got from it."""
    path = f"/{azurite.container()}/data.csv"

    put, _ = azurite.ask("PUT", path, b"a,b\n", headers=BLOB)

    assert put == 201
    assert azurite.ask("GET", path) == (200, b"a,b\n")


def test_a_request_must_be_signed(azurite: Azurite) -> None:
    """The emulator checks its key, so that tests of credentials can fail."""

    class Stranger(Azurite):
        key = "AAAA"

    assert Stranger(azurite.running).ask("PUT", "/nothing", resource="restype:container")[0] == 403


def test_a_stopped_emulator_comes_back_with_its_data(own_azurite: OwnAzurite) -> None:
    """An emulator that was ended serves at the same address afterwards, with its blobs."""
    path = f"/{own_azurite.container()}/data.csv"
    own_azurite.ask("PUT", path, b"kept", headers=BLOB)

    own_azurite.stop()
    was_gone = not azure_server.answers(own_azurite.address)
    own_azurite.start()

    assert was_gone
    assert own_azurite.ask("GET", path) == (200, b"kept")


def test_an_object_is_kept(s3: S3) -> None:
    """What was put into a bucket is got from it."""
    path = f"/{s3.bucket()}/data.csv"

    put, _ = s3.ask("PUT", path, b"a,b\n")

    assert put == 200
    assert s3.ask("GET", path) == (200, b"a,b\n")


def test_a_killed_s3_server_comes_back(own_s3: OwnS3) -> None:
    """A server that was killed serves at the same address afterwards, empty."""
    path = f"/{own_s3.bucket()}/data.csv"
    own_s3.ask("PUT", path, b"lost")

    own_s3.kill()
    was_gone = not s3_server.answers(own_s3.address)
    own_s3.start()

    assert was_gone
    assert own_s3.ask("GET", path)[0] == 404
