"""How the face lab's network learns."""
