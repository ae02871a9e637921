"""How the scene lab's figures are measured. Needs the data folder; the program does not."""
