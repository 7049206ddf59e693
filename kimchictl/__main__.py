"""The way in. `--version` is answered before click is imported: shells and packagers ask for it all the time."""

import sys


def main() -> int:
    """Run kimchictl with the process's own arguments; the exit status."""
    if sys.argv[1:] == ["--version"]:
        from kimchictl import __version__

        print(f"kimchictl {__version__}")
        return 0
    from kimchictl import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
