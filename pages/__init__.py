"""The pages of the app, a thin script each; what they share is in `pages.ui`."""
