"""``hs2s plugin``: the operators and panels for the FiftyOne App."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``plugin`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "plugin",
        help="add the operators and panels to the FiftyOne App",
        description="The plugin @hs2s/hs2s of the FiftyOne App.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    install = actions.add_parser(
        "install",
        help="link the plugin into FiftyOne's plugins folder",
        description=(
            "Links the plugin of this package into FiftyOne's plugins folder (fiftyone config plugins_dir). "
            "It stays that of the package when the package is updated."
        ),
    )
    install.set_defaults(func=run_install)


def run_install(args: argparse.Namespace) -> int:
    """Runs ``hs2s plugin install``.

    Returns:
        the exit status, 0

    Raises:
        HS2SError: if FiftyOne has another copy of the plugin
        OSError: if the link cannot be made
    """
    from fiftyone_hs2s.plugin.install import NAME, install_plugin

    print(f"{NAME}: {install_plugin()}. Restart the App if it is open")
    return 0
