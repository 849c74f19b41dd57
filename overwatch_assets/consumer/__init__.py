"""What people look at: views, queries, dashboards, exports."""
