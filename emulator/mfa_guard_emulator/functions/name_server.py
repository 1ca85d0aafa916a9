"""Resolve the host names in LOCAL_HOSTS to a port on this machine, and no other names.

It runs in the function's process: the local account copies it as sitecustomize.py into a folder on the function's path,
and Python imports it before the function's code.
"""

import os
import socket

_HOSTS = frozenset(os.environ.get("LOCAL_HOSTS", "").split(","))
_PORT = int(os.environ.get("LOCAL_HOSTS_PORT", "0"))
_connect = socket.create_connection


def _create_connection(address, *args, **kwargs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202
    host, _ = address
    return _connect(("127.0.0.1", _PORT) if host in _HOSTS else address, *args, **kwargs)


socket.create_connection = _create_connection
