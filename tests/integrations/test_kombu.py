"""kombu: bodies of messages in lmzip format, through a broker in memory."""

from __future__ import annotations

import pytest

import lmzip
from lmzip import integrations

kombu = pytest.importorskip("kombu", reason="needs kombu: make test-integrations")


@pytest.fixture(autouse=True)
def registered():
    integrations.register("kombu")


def test_the_functions_are_there():
    from kombu import compression

    body, content_type = compression.compress("größer" * 50, "lmzip")
    assert content_type == "application/x-lmz" and lmzip.decompress(body).decode() == "größer" * 50
    assert compression.decompress(body, content_type).decode() == "größer" * 50


def test_a_message_is_sent_and_received():
    with kombu.Connection("memory://") as connection:
        queue = connection.SimpleQueue("some queue")
        queue.put({"text": "words " * 100}, compression="lmzip")
        message = queue.get(timeout=10)
        assert message.payload == {"text": "words " * 100}
        assert message.headers["compression"] == "application/x-lmz"
        message.ack()
        queue.close()
