"""chaosd beside an ECS agent that takes a call every few milliseconds: else a run would take half a minute."""

from daemon.faces.cli import main
from daemon.ports import agent

agent.PACE_S = 0.02

main()
