"""``trioflow completion``: the scripts with which a shell asks this program what Tab stands for."""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from trioflow.cli._program import VARIABLE

SHELLS = ("bash", "zsh", "fish")


@add_completion_class
class _Bash(ShellComplete):
    """As click's own, but for the words: bash also parts them at colons, as in `sqlite:a.db`.

    The script does without what bash 3.2, that of macOS, has not; there files are not completed
    where nothing else is known.
    """

    name = "bash"
    source_template = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        if [[ $kind == plain ]]; then
            printf -v value %%q "$value"
            COMPREPLY+=("$value")
        else
            compopt -o default 2>/dev/null
        fi
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the one that it is in."""
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)[1:]
        if not words or line[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Return a line for the script."""
        return f"{item.type},{item.value}"


@click.command("completion", short_help="Print what lets a shell complete commands with Tab.")
@click.argument("shell", type=click.Choice(SHELLS), metavar="bash|zsh|fish")
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options, documents and ids with Tab.

    To try it: source <(trioflow completion bash), or trioflow completion fish | source. Ids are
    those in ./trioflow.db, or in the store that --store names before them.
    """
    found = get_completion_class(shell)
    assert found is not None
    program = context.find_root().command
    click.echo(found(program, {}, "trioflow", VARIABLE).source(), nl=False)
