"""Adapters: one module a collaborator. Nothing here decides anything."""
