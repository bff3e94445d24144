"""From the configuration to the parts of a process, the same with one process and with many.

Guarantees: a setting that the parts do not take is an error of one line, which names it.
"""

import logging
from typing import Any

import click

from gpool.admin.server import Admin
from gpool.certificates import server_context
from gpool.command.options import server_arguments
from gpool.command.sources import Config
from gpool.garbage import FullCollections
from gpool.hosting import Hosting
from gpool.hubwatch import HubWatch
from gpool.wsgi.site import Application

__all__ = ["admin", "collections", "hosting", "renew_certificate", "tls_context", "watch"]

logger = logging.getLogger("gpool")


def tls_context(config: Config) -> Any:
    """The context of ``--tls-cert``; None without it.

    Raises:
        click.ClickException: something is wrong with the files, or there is no certificate.
    """
    if config["tls_cert"] is None:
        for name in ("tls_key", "tls_client_ca"):
            if config[name] is not None:
                flag = name.replace("_", "-")
                raise click.UsageError(f"--{flag} is given, but not --tls-cert.")
        return None
    try:
        return server_context(
            config["tls_cert"],
            config["tls_key"],
            password=config["tls_key_password"],
            client_ca=config["tls_client_ca"],
            client_certificate=config["tls_client_cert"],
            minimum_version=config["tls_min_version"],
            ciphers=config["tls_ciphers"],
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def renew_certificate(config: Config, hosted: Hosting) -> None:
    """Any side. Read the files of TLS again, for new connections; if that fails nothing changes."""
    if config["tls_cert"] is None:
        return
    try:
        hosted.renew_tls(tls_context(config))
        logger.info("the certificate was read again: %s", config["tls_cert"])
    except click.ClickException as error:
        logger.error("the certificate stays as it was: %s", error.message)  # noqa: TRY400


def hosting(config: Config, listeners: list[Any], application: Application, **more: Any) -> Hosting:
    """The servers.

    Args:
        config: what was said.
        listeners: one or more.
        application: PEP 3333's.
        more: arguments of `Hosting` that are not settings.

    Raises:
        click.ClickException: a setting is out of its range.
    """
    try:
        return Hosting(listeners, application, **server_arguments(config.values), **more)
    except (TypeError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def watch(config: Config) -> HubWatch | None:
    """The watch over the Hub; None if it is turned off."""
    threshold = config["hub_block_threshold"]
    if not threshold:
        return None
    try:
        return HubWatch(threshold)
    except ValueError as error:
        raise click.ClickException(f"--hub-block-threshold: {error}") from None


def collections(share: float) -> FullCollections | None:
    """What keeps full garbage collections to a share of the time; None if Python has them all."""
    return FullCollections(share) if share < 1 else None


def admin(config: Config, hosted: Hosting, watched: HubWatch | None) -> Admin | None:
    """The admin listener; None if there is none.

    Raises:
        click.ClickException: its address is a public one, and nobody has said that it may be.
    """
    if config["admin"] is None:
        return None
    try:
        return Admin(
            hosted,
            config["admin"],
            watch=watched,
            full_threshold=config["admin_full_threshold"],
            public=config["admin_public"],
            title=config.app,
        )
    except (TypeError, ValueError) as error:
        raise click.ClickException(str(error)) from None
