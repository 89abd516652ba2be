"""What we touch, one module per outside thing; foreign errors are translated here and nowhere else."""
