"""The colonoscopy lab: a drawn polyp mask becomes synthetic frames."""
