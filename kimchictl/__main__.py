"""The way in. `--version` is answered before click is imported: shells and packagers ask for it all the time."""

import sys


def main() -> int:
    """Run kimchictl with the process's own arguments; the exit status."""
    if sys.argv[1:] == ["--version"] and sys.stdout is not None:
        from kimchictl import __version__

        try:
            print(f"kimchictl {__version__}", flush=True)
            return 0
        except OSError:
            pass  # cli meets the same error, and says it as it says all others
    import gc

    # A listing of thousands makes hundreds of thousands of objects and no cycles: looking for some costs half its time.
    gc.set_threshold(100_000, 20, 100)
    from kimchictl import cli

    status = cli.main()
    # Nor when the interpreter ends: everything is closed by now, and the memory goes as a whole.
    gc.freeze()
    return status


if __name__ == "__main__":
    sys.exit(main())
