"""What all pages of the service share: their look, their words for figures and moments, a frame.

`house` holds templates and the style that a page may have; a page without any script of its own is
all there is.
"""
