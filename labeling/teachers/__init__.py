"""The teachers: slow, accurate segmenters behind one protocol. `selection.choose` takes the first that is available."""
