"""Encryption between a client and a server: certificates, checked at once."""

import dataclasses
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

PathLike = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Tls:
    """The certificates of a client, as files in PEM.

    Args:
        root_certificates: those that a server's is to be signed by; None for those
            that the system (REST) or gRPC trusts.
        certificate_chain: this client's own; None where the server asks for none.
        private_key: the key of `certificate_chain`, not encrypted.

    Raises:
        ValueError: if a file is missing or holds something else.
    """

    root_certificates: PathLike | None = None
    certificate_chain: PathLike | None = None
    private_key: PathLike | None = None

    def __post_init__(self) -> None:
        if (self.certificate_chain is None) != (self.private_key is None):
            raise ValueError(
                "A certificate together with its key was expected. Received: "
                f"certificate_chain={self.certificate_chain!r} and private_key="
                f"{self.private_key!r}. Give both, or none of them."
            )
        # Also where gRPC reads the files: of broken ones it says only, and only when
        # something is asked, that it cannot connect.
        self.context()

    def context(self) -> "ssl.SSLContext":
        """What Python's own sockets take.

        Raises:
            ValueError: if a file is missing or holds something else.
        """
        # Imported late: a client without TLS starts without it.
        import ssl

        try:
            # Only the roots given: the system's are not to open what a private one
            # closes.
            context = ssl.create_default_context(
                cafile=None
                if self.root_certificates is None
                else os.fspath(self.root_certificates)
            )
        except (OSError, ValueError) as error:
            raise _file_error(
                "root_certificates", self.root_certificates, error
            ) from error
        if self.certificate_chain is not None:
            try:
                # An empty password: otherwise it is asked for on the terminal.
                context.load_cert_chain(
                    self.certificate_chain, self.private_key, password=""
                )
            except (OSError, ValueError) as error:
                raise _file_error(
                    "certificate_chain", self.certificate_chain, error
                ) from error
        return context

    def contents(self) -> dict[str, bytes | None]:
        """The files' bytes by argument, as gRPC takes them."""
        return {
            field.name: _read(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }


def choose_tls(
    address: str,
    tls: bool | None,
    root_certificates: PathLike | None,
    certificate_chain: PathLike | None,
    private_key: PathLike | None,
) -> Tls | None:
    """Whether a client encrypts, and with what.

    Args:
        address: host and port, or a URL.
        tls: whether to encrypt; None for where a certificate or `https://` is given.
        root_certificates: path of a PEM file, or None.
        certificate_chain: path of a PEM file, or None.
        private_key: path of a PEM file, or None.

    Raises:
        ValueError: if they contradict each other, or a file is not usable.
    """
    files = {
        "root_certificates": root_certificates,
        "certificate_chain": certificate_chain,
        "private_key": private_key,
    }
    given = [f"{name}={path!r}" for name, path in files.items() if path is not None]
    if address.startswith("https://"):
        given.append(f"address={address!r}")
    if given and tls is False:
        raise ValueError(
            f"Nothing to encrypt with was expected. Received: tls=False and {given[0]}."
            " Leave one of them out."
        )
    if not (given or tls):
        return None
    if address.startswith("http://"):
        raise ValueError(
            f"An address to encrypt to was expected. Received: address={address!r} and "
            f"{given[0] if given else 'tls=True'}. Write https://."
        )
    return Tls(**files)


def _read(path: PathLike | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def _file_error(name: str, path: PathLike | None, error: Exception) -> ValueError:
    return ValueError(
        f"The path of a PEM file was expected. Received: {name}={path!r} "
        f"({error}). Give one that holds certificates"
        f"{' and, in private_key, their key without a password' * (name[0] == 'c')}."
    )
