"""Chinese sentences about a room, as English ones: a closed domain of things, colours and relations."""
