"""chaosd: inject faults into queue-driven, git-backed workers, watch them recover, put everything back.

The way of one injection, in one direction:

    request -> plan -> guard -> steady? -> fault.prepare -> journal Planned (fsync) -> fault.inject
            -> probes observe -> fault.revert + proof -> journal Reverted -> verdict

``core``    what is true: records, the fold over the history, plan, guard, recovery, verdict. Pure.
``ports``   what we touch: files, processes, git, AWS, the clock, the journal. One module per outside thing.
``engine``  what happens: injector, prober, scheduler.
``faces``   what people see: command line, API, metrics, logs.
``lab``     the embedded target: emulator, task engine, reference worker.
``config`` reads chaosd.yaml, ``wiring`` puts the parts together, ``lifecycle`` starts and stops them.

Faults and probes live beside this package, in ``faults/`` and ``probes/``; they see only ``daemon.core``.
State is a fold over the journal. Nothing is injected before its undo record is on disk.
"""
