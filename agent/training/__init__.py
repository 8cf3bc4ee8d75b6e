"""`agent train`: given policies are trained and compared like the candidates of a study."""
