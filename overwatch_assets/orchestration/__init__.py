"""Dagster's view of the platform. Nothing else imports Dagster."""
