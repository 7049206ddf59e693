"""A store of three layers: package, site, and one's own."""

import json
import os

import pytest

from kimchictl.store import FileStore, Layer


class Directory:
    """One layer's directory, as an admin or a package fills it by hand."""

    def __init__(self, path):
        self.path = str(path)

    def write(self, file, content):
        os.makedirs(self.path, exist_ok=True)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        with open(self.file(file), "wb") as opened:
            opened.write(raw)

    def read(self, file):
        with open(self.file(file), "rb") as opened:
            return json.load(opened)

    def file(self, file):
        return os.path.join(self.path, file)

    def files(self):
        """What lies there, the lock file left out."""
        return sorted(file for file in os.listdir(self.path) if not file.startswith(".lock"))


@pytest.fixture
def package(tmp_path):
    return Directory(tmp_path / "usr" / "templates")


@pytest.fixture
def site(tmp_path):
    return Directory(tmp_path / "etc" / "templates")


@pytest.fixture
def own(tmp_path):
    return Directory(tmp_path / "home" / "templates")


@pytest.fixture
def store(package, site, own):
    layers = [Layer(package.path, "package", False), Layer(site.path, "site", False), Layer(own.path, "user", True)]
    return FileStore("templates", layers, 5.0)


@pytest.fixture
def put(store):
    """Stores one document in a session of its own."""

    def put(name, data, **options):
        with store.session() as session:
            return session.put(name, data, **options)

    return put
