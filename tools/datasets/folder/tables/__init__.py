"""Tables that lie beside images: which image a row means, its label and its group."""
