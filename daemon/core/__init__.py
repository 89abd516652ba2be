"""What is true: records, rules and verdicts. No I/O, no clock, no dice, standard library only."""
