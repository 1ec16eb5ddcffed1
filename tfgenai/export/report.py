"""What verifying an export found: one line a check."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Args:
        name: what was checked.
        ok: whether it holds.
        detail: what was seen.
        figure: the number that it was judged by, such as a largest difference.
    """

    name: str
    ok: bool
    detail: str
    figure: float | None = None


@dataclasses.dataclass(frozen=True)
class VerifyReport:
    """All checks of one export.

    Args:
        path: the version folder.
        version: its number, or None if its name is none.
        tensorflow: version of TensorFlow in the fresh process.
        checks: the checks, in the order they were made.
    """

    path: str
    version: int | None
    tensorflow: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object; figures that are not finite become None."""
        checks = [dataclasses.asdict(check) for check in self.checks]
        for check in checks:
            if check["figure"] in (float("inf"), float("-inf")):
                check["figure"] = None
        return {
            "path": self.path,
            "version": self.version,
            "tensorflow": self.tensorflow,
            "ok": self.ok,
            "checks": checks,
        }

    def __str__(self) -> str:
        lines = [
            f"{'ok    ' if check.ok else 'FAILED'}  {check.name}: {check.detail}"
            for check in self.checks
        ]
        passed = sum(check.ok for check in self.checks)
        lines.append(
            f"{passed} of {len(self.checks)} checks passed: {self.path} with "
            f"TensorFlow {self.tensorflow}"
        )
        return "\n".join(lines)
