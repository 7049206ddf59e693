"""The way in. `--version` is answered before click is imported: shells and packagers ask for it all the time."""

import sys


def main() -> int:
    """Run kimchictl with the process's own arguments; the exit status."""
    if sys.argv[1:] == ["--version"]:
        from kimchictl import __version__

        print(f"kimchictl {__version__}")
        return 0
    import gc

    from kimchictl import cli

    # A listing of thousands makes hundreds of thousands of objects and no cycles: looking for some costs half its time.
    gc.set_threshold(100_000, 20, 100)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
