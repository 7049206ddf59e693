"""What the tests of commands share."""

import pytest

from lab.images import make_image


@pytest.fixture
def image(tmp_path):
    """Makes an image of that label, in a directory of this test: `image("Debian 12.5.0 amd64 n")` -> its path."""

    def make(label="Ubuntu 14.04", name=None, **settings):
        return make_image(
            tmp_path / (name or f"{label.lower().replace(' ', '-').replace('/', '-')}.iso"), label, **settings
        )

    return make
