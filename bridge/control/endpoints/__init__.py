"""What can be asked for. `table` lists it; the other modules are the functions behind the rows, by subject."""
