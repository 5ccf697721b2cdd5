"""What a run needs before it costs anything: memory, batches, time, money, disk. No torch, no weights, no GPU."""
