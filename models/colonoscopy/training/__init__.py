"""How the colonoscopy lab's networks are trained. Needs the data folder; the program does not."""
