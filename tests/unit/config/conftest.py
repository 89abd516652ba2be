"""A small catalogue of plug-ins and a way to load texts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from daemon.config import Settings, load
from daemon.core.errors import ConfigError
from daemon.core.model import Mode, Resource
from daemon.core.parameters import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    touches: ClassVar[Resource] = Resource.ECS
    modes: ClassVar[tuple[Mode, ...]] = (Mode("random", ""), Mode("oldest", ""))
    mode: str = parameter("random", "which")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt:
    touches: ClassVar[Resource] = Resource.REPOSITORY
    mode: str = parameter("index-truncate", "how", choices=("index-truncate", "loose-object-truncate"))
    odd: str | None = parameter(None, "a limit on a text: the plug-in's own mistake", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    touches: ClassVar[Resource] = Resource.QUEUE
    messages: int = parameter(100, "how many", least=1, most=1000)
    rate: float = parameter(10.0, "how fast", unit="1/s")
    share: float | None = parameter(None, "of what", unit="s")


@dataclass(slots=True, kw_only=True)
class Backlog:
    needs: ClassVar[tuple[str, ...]] = ("queue",)
    expect: str = parameter("", "what must hold")
    run: str = parameter("", "what to run")
    timeout: float = parameter(1.0, "how long", unit="s")

    def __post_init__(self) -> None:
        if self.timeout > 9 and not self.run:
            raise ValueError("run: is needed for a long timeout")
        if self.timeout == 0:
            raise ValueError("time must pass")
        if self.expect and len(self.expect.split()) != 3:
            raise ValueError(f"expect: {self.expect!r} is no comparison: write visible <= 100")


@dataclass(slots=True, kw_only=True)
class Plain:
    pass


FAULTS: Mapping[str, type[Any]] = {"ecs-task-stop": Stop, "git-corrupt": Corrupt, "sqs-burst": Burst}
PROBES: Mapping[str, type[Any]] = {
    "ecs-service": Plain,
    "sqs-backlog": Backlog,
    "git-health": Plain,
    "s3-freshness": Plain,
}


def check_cron(expression: str, _zone: str) -> None:
    if len(expression.split()) != 5:
        raise ValueError(f"{expression!r} is no cron expression: write five fields")


@pytest.fixture
def catalogue() -> dict[str, Any]:
    return {"faults": FAULTS, "probes": PROBES, "check_cron": check_cron}


@pytest.fixture
def example() -> str:
    """DESIGN §7, word for word."""
    return Path(__file__).with_name("example.yaml").read_text()


@pytest.fixture
def read(tmp_path: Path, catalogue: dict[str, Any]) -> Callable[..., Settings]:
    """Load a text or bytes, with variables and flags."""

    def read(content: str | bytes, environment: Mapping[str, str] | None = None, **flags: object) -> Settings:
        path = tmp_path / "c.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        overrides = {key.replace("__", "."): value for key, value in flags.items()}
        return load(path, environment=environment or {}, overrides=overrides, **catalogue)

    return read


@pytest.fixture
def problems(read: Callable[..., Settings], tmp_path: Path) -> Callable[..., list[str]]:
    """Return the mistakes of a text, with the file called FILE."""

    def problems(content: str | bytes, environment: Mapping[str, str] | None = None, **flags: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(content, environment, **flags)
        assert caught.value.exit_code == 78
        assert "nothing was started" in caught.value.message
        return [line.replace(str(tmp_path / "c.yaml"), "FILE") for line in caught.value.problems]

    return problems
