"""What is read: workspace REST API, audit logs, cluster logs."""
