"""One run on disk and in memory: folder, state, summary, link, checkpoints, resume, abort."""
