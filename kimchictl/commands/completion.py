"""`kimchictl completion`: the script for a shell, which is click's own but for bash."""

import click
from click.shell_completion import get_completion_class

from kimchictl.app import App
from kimchictl.commands.base import Command, pass_app
from kimchictl.commands.names import VARIABLE
from kimchictl.errors import UsageError
from kimchictl.render import write_out

SHELLS = ("bash", "zsh", "fish")

# click's script for bash takes names for patterns of file names, puts one with a blank in as two words, and knows a
# word with a colon (a connection, pool:POOL/VOLUME) only by what is behind it, where bash itself breaks words. Here the
# line goes over as it is, up to the cursor; COMP_CWORD=-1 is its last word. Inside of an open quote the word begins
# behind it, and a name is put in as it has to be written there.
BASH = """\
_kimchictl_completion() {
    local line=${COMP_LINE:0:COMP_POINT} reply name word quote= i
    for ((i = 0; i < ${#line}; i++)); do
        case $quote${line:i:1} in
            \\\\ | '"\\') ((i++)) ;;
            \\' | '"') quote=${line:i:1} ;;
            "''" | '""') quote= ;;
        esac
    done
    word=${line##*[[:space:]]}
    [[ ! $quote && $line == *[[:space:]] && $line != *\\\\[[:space:]] ]] && line+="''"
    COMPREPLY=()
    while IFS= read -r reply; do
        name=${reply#plain,}
        case $reply in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*)
                case $quote in
                    \\') COMPREPLY+=("${name//\\'/"'\\''"}") ;;
                    '"') COMPREPLY+=("$(sed 's/[\\\\"$`]/\\\\&/g' <<<"$name")") ;;
                    *)
                        printf -v name %%q "$name"
                        COMPREPLY+=("${name#"${word%%"${word##*[:=]}"}"}")
                        ;;
                esac
                ;;
        esac
    done < <(COMP_WORDS=$line COMP_CWORD=-1 %(variable)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F _kimchictl_completion kimchictl
"""
# What goes wrong is nothing that a press of Tab should print; a name may have a comma in it.
_QUIET = (
    ("_complete kimchictl)", "_complete kimchictl 2>/dev/null)"),
    ("(commandline -t) kimchictl)", "(commandline -t) kimchictl 2>/dev/null)"),
    ('(string split "," ', '(string split -m 1 "," '),
)


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_app
def completion(app: App, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(kimchictl completion bash)
      kimchictl completion fish > ~/.config/fish/completions/kimchictl.fish
    """
    write_out(script(shell))


def script(shell: str) -> str:
    """The script for `shell`, one of SHELLS. click's own method would look at this machine's bash first."""
    if shell == "bash":
        return BASH % {"variable": VARIABLE}
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"there is no completion for {shell!r}", "there is one for " + ", ".join(SHELLS))
    writer = found(click.Group("kimchictl"), {}, "kimchictl", VARIABLE)
    text = str(writer.source_template % writer.source_vars()).lstrip("\n")
    for theirs, ours in _QUIET:
        text = text.replace(theirs, ours)
    return text
