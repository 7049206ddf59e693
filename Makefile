# What a developer types. setup/check makes the environments that the rest uses.
# What a distribution types: make install DESTDIR=/tmp/root PREFIX=/usr SYSTEM_PYTHON=/usr/bin/python3
# (needs hatchling and click there, and no network).

PYTHON = .venv-newest/bin/python
SYSTEM_PYTHON = python3
PREFIX = /usr/local
DESTDIR =

.PHONY: check check-fast lint man dist wheel install deb clean

check:
	setup/check

check-fast:
	setup/check --fast

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

# The manual and the completions, as the wheel has them, for a look: man -l build/share/man/man1/kimchictl.1
man:
	$(PYTHON) setup/manpages.py

# dist/: what is published.
dist:
	$(PYTHON) -m hatchling build

wheel:
	rm -rf build/wheel
	$(SYSTEM_PYTHON) -m hatchling build -t wheel -d build/wheel

install: wheel
	$(SYSTEM_PYTHON) setup/install.py build/wheel/kimchictl-*.whl $(PREFIX) $(DESTDIR)

# The Debian package, into the directory above.
deb:
	dpkg-buildpackage -us -uc -b

clean:
	rm -rf build dist
