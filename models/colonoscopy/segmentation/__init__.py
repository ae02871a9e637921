"""Networks that find polyps: PraNet as published, and the small one that ships."""
