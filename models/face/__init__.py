"""The face lab: speech and a portrait become a talking face."""
