"""Named variants of one idea: a loss or a source, by name or as an object."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from names to classes or functions of one kind.

    Args:
        kind: what the entries are, in words for error messages, and the name of the
            argument that takes them, for example `"adversarial_loss"`.

    Example:
        >>> LOSSES = Registry("adversarial_loss")
        >>> @LOSSES.register("hinge")
        ... class Hinge: ...
        >>> LOSSES.names()
        ['hinge']
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Returns a decorator that enters its target under `name`."""

        def enter(entry: T) -> T:
            if name in self._entries:
                raise ValueError(
                    f"A new name was expected for {self.kind}. Received: "
                    f"name={name!r}, which is taken. Choose another name."
                )
            self._entries[name] = entry
            return entry

        return enter

    def get(self, name: str) -> T:
        """Returns the entry of that name.

        Raises:
            ValueError: if there is none; the message lists the names.
        """
        if name not in self._entries:
            raise ValueError(unknown_name(self.kind, name, self.names()))
        return self._entries[name]

    def create(self, value: Any, **kwargs: Any) -> Any:
        """Returns `value` itself, or a new instance when it is a name.

        Args:
            value: a registered name, or an object that is used as it is.
            **kwargs: constructor arguments used when `value` is a name.
        """
        if isinstance(value, str):
            return self.get(value)(**kwargs)  # type: ignore[operator]
        return value

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._entries


def unknown_name(argument: str, name: object, known: list[str]) -> str:
    """Words for an unknown name: what was received, the nearest, all of them."""
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"An entry of {known} was expected. Received: {argument}={name!r}.{hint}"
