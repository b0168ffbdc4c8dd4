"""Turn a report's data into HTML, Markdown, text, JSON and CSV; no renderer knows a section."""
