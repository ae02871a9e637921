"""The scene lab's tab, service, views and API."""
