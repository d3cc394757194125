"""Asking: people's questions, answered in processes of their own that read files and journal and change neither."""
