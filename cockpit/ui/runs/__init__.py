"""The runs that the app looks at: session, chat engine, standby, new and past runs."""
