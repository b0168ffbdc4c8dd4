"""Claims, plots, HTML, comparison and export; reads run folders, never measures."""
