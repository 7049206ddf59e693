"""One module a group of commands. A command is: options, a docstring, ask the core, emit the records."""
