"""The way in. `--version` is answered before click is imported: shells and packagers ask for it all the time."""

import os
import sys


def main() -> int:
    """Run kimchictl with the process's own arguments; the exit status."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _fill_standard_streams()
    if sys.getfilesystemencoding() != "utf-8" and sys.executable:
        # Names of files are bytes, and UTF-8 to libvirt and to our own files, whatever this user's terminal shows.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", "-X", f"{_TERMINAL}={_terminal()}", *sys.orig_argv[1:]])  # noqa: S606
    if _TERMINAL in sys._xoptions:
        _use_on_terminals(str(sys._xoptions[_TERMINAL]))
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


_TERMINAL = "kimchictl_terminal"  # tells the interpreter that replaces this one what a terminal understands


def _terminal() -> str:
    import locale

    return locale.getencoding()


def _use_on_terminals(encoding: str) -> None:
    """What a terminal of another encoding cannot show is escaped; files and pipes get UTF-8."""
    import io

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _fill_standard_streams() -> None:
    """A stream that was closed is /dev/null: else the next file opened is it, and what libraries print lands there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


if __name__ == "__main__":
    sys.exit(main())
