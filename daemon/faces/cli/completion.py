"""``chaosd completion``: the script that completes words in bash, zsh or fish."""

import click

VARIABLE = "_CHAOSD_COMPLETE"


@click.command(short_help="The script that completes words in your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that completes commands, options, and the names of faults, modes and experiments in SHELL.

    In ~/.bashrc (bash 4.4 or newer): eval "$(chaosd completion bash)".

    In ~/.zshrc, after compinit: eval "$(chaosd completion zsh)".

    In ~/.config/fish/config.fish: chaosd completion fish | source.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError(f"click knows {shell}")
    # Not source(): that runs the shell to learn its version, and the shell may not be installed here.
    made = kind(context.find_root().command, {}, "chaosd", VARIABLE)
    click.echo(made.source_template % made.source_vars())
    return 0
