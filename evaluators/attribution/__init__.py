"""How well attribution maps find what a classifier decides by: the maps, AIC and SIC, insertion and deletion."""
