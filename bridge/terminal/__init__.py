"""What people read on a terminal. RULE: reads and prints, decides nothing."""
