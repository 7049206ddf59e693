"""What other tools call it: words of virsh, virt-install, incus and lima, and what is typed here instead.

Only those whose meaning no nearest word tells.
"""

_COMMANDS = {
    "vm": {
        "shutdown": "vm stop NAME",
        "destroy": "vm stop NAME --force",
        "undefine": "vm delete NAME",
        "info": "vm show NAME",
        "dominfo": "vm show NAME",
        "dumpxml": "vm edit NAME --xml",
        "rename": "vm edit NAME --name NEW",
        "domifaddr": "vm wait NAME ip",
        "ip": "vm wait NAME ip",
        "top": "stats watch",
        "domstats": "stats show NAME",
        "setmem": "vm edit NAME --memory SIZE",
        "setvcpus": "vm edit NAME --vcpus N",
        "save": "vm snapshot create NAME",
        "restore": "vm snapshot revert NAME SNAPSHOT",
        "pause": "vm suspend NAME",
        "unpause": "vm resume NAME",
        "launch": "vm create --template NAME --start",
        "install": "vm create --template NAME --start",
        "vncdisplay": "vm display NAME",
    },
    "vm snapshot": {"restore": "vm snapshot revert NAME SNAPSHOT", "apply": "vm snapshot revert NAME SNAPSHOT"},
    "vm disk": {"add": "vm disk attach NAME", "remove": "vm disk detach NAME TARGET"},
    "vm nic": {"add": "vm nic attach NAME NETWORK", "remove": "vm nic detach NAME MAC"},
    "pool": {"refresh": "pool list", "destroy": "pool stop NAME", "undefine": "pool delete NAME"},
}
_OPTIONS = {
    "vm create": {
        "--cdrom": "template create --cdrom SOURCE, and then vm create --template NAME",
        "--iso": "template create --cdrom SOURCE, and then vm create --template NAME",
        "--location": "template create --cdrom SOURCE, and then vm create --template NAME",
        "--os-variant": "template create --cdrom SOURCE, which names the system by itself",
        "--ram": "vm create --memory SIZE",
        "--name": "vm create NAME",
    },
    "vm list": {
        "--all": "vm list, which shows those that are off, too",
        "--running": "vm list --filter state=running",
        "--inactive": "vm list --filter state=shutoff",
    },
}


def command_here(path: str, word: str) -> str | None:
    """What to type for `word` below the group `path`, "kimchictl vm"; None where nothing is known."""
    return _full(_COMMANDS.get(path.partition(" ")[2], {}).get(word))


def option_here(path: str, option: str) -> str | None:
    """The same for an option of the command `path`."""
    return _full(_OPTIONS.get(path.partition(" ")[2], {}).get(option))


def _full(words: str | None) -> str | None:
    return None if words is None else f"kimchictl {words}"
