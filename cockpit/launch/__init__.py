"""Starting processes: engines and exports."""
