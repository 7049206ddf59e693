"""Records to text: the only package that knows tables exist, and the only one that imports rich (inside functions).

    terminal   the two streams, and escaping
    records    data on stdout: View, emit_list, emit
    progress   receivers of progress for a terminal, a log, a program

In a pipe a table has no box, no colour, no truncation and no wrapping, and rich is not loaded.
"""

from kimchictl.render.records import View, check_selection, emit, emit_list, write_json
from kimchictl.render.terminal import is_terminal, say, say_error, visible, write_out

__all__ = [
    "View",
    "check_selection",
    "emit",
    "emit_list",
    "is_terminal",
    "say",
    "say_error",
    "visible",
    "write_json",
    "write_out",
]
