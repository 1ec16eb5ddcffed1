"""The typed errors of the package, in one tree.

    TfgenaiError
    ├── DataError            (ValueError)   a source, a file or a split is not usable
    │   └── DataNotFoundError               a named set or folder is not there
    ├── ConfigError          (ValueError)   a recipe, flag or argument makes no sense
    ├── CheckpointError      (ValueError)   a checkpoint is torn or of another model
    ├── StorageError         (OSError)      a path cannot be written or read
    ├── ExportError          (ValueError)   an export is refused or broken
    ├── NonFiniteLossError   (ArithmeticError)  a loss became NaN or infinite
    └── ServingError         (RuntimeError)  a served model refused; has a `code`
        ├── RowError                        single rows of a request were refused
        └── UnavailableError                nobody answers, or not in time

Every message says what was expected, ``Received: name=value`` and the way out.
Mistakes in plain arguments (shape, dtype, range) are `ValueError` and `TypeError`,
as everywhere in Keras.
"""


class TfgenaiError(Exception):
    """Base of every error that is typed by this package."""


class DataError(TfgenaiError, ValueError):
    """A data source, file, label or split is not usable."""


class DataNotFoundError(DataError):
    """A named data set or a folder does not exist where it was looked for."""


class ConfigError(TfgenaiError, ValueError):
    """A recipe, a flag or a combination of arguments makes no sense."""


class CheckpointError(TfgenaiError, ValueError):
    """A checkpoint is missing, incomplete or belongs to another model."""


class StorageError(TfgenaiError, OSError):
    """A path cannot be written to or read from."""


class ExportError(TfgenaiError, ValueError):
    """A model cannot be exported, or an export on disk is broken."""


class NonFiniteLossError(TfgenaiError, ArithmeticError):
    """A training loss became NaN or infinite.

    Args:
        message: the text shown to the user.
        step: number of the first step whose loss was not finite, from 0.
        loss_name: the loss that was not finite.
        checkpoint: path of the last good checkpoint, if one is known.
    """

    def __init__(
        self,
        message: str,
        *,
        step: int,
        loss_name: str,
        checkpoint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.step = step
        self.loss_name = loss_name
        self.checkpoint = checkpoint


class ServingError(TfgenaiError, RuntimeError):
    """A served model refused a request or failed while answering it.

    Args:
        message: the server's own words.
        code: canonical gRPC status name, for example `"INVALID_ARGUMENT"`.
    """

    def __init__(self, message: str, *, code: str = "UNKNOWN") -> None:
        super().__init__(message)
        self.code = code


class RowError(ServingError):
    """Single rows of a request were refused; the others were answered.

    Args:
        message: the text shown to the user.
        rows: mapping from row number to the model's text for that row.
    """

    def __init__(self, message: str, *, rows: dict[int, str]) -> None:
        super().__init__(message, code="INVALID_ARGUMENT")
        self.rows = rows


class UnavailableError(ServingError):
    """No server answers at the address, or not within the deadline."""

    def __init__(self, message: str, *, code: str = "UNAVAILABLE") -> None:
        super().__init__(message, code=code)
