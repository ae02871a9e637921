"""The face lab's tab, service, views, uploads and API."""
