"""The house: what travels, what moves it, who may ask."""
