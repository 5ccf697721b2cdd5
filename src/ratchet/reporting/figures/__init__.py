"""The figures of a run, drawn with Plotly."""
