"""How the face lab's networks are trained. Needs the data folder; the program does not."""
