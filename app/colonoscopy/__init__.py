"""The colonoscopy lab's tab, service, views and API."""
