"""The HTML report: collect its contents, draw charts, render the page."""
