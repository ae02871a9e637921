"""Who is shown: portraits and videos, faces tracked in them, clips of people who speak."""
