"""The comparison of one encoder before with three models made from it after fine-tuning."""

from __future__ import annotations

from pages.ui import shell, story

shell.ensure(__file__)
story.page("fine_tuning")
