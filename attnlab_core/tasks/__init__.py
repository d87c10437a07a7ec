"""Rows with gold answers, made by seeded generators: what a model is measured on, and some of them trained on."""
